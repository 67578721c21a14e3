import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { applyMigrations, type MigrationOptions, migrationScript } from "../src/lib/store/mssql/migrate.ts";
import { SLOTS, type Slot } from "../src/lib/store/mssql/procedure-files.ts";
import { connectAdministrator } from "./administrator-pool.ts";
import { helpIfAsked } from "./help.ts";

/** What it takes. The principal must be allowed to change the schema (infra/sql/roles.sql), which the app is not. */
const HELP = `
npm run migrate                          brings the database that AZURE_SQL_* name up to date: one line per migration, and one
                                         for the procedures, which go into an empty slot or the one out of use for longest
npm run migrate -- --replace release_b   puts the procedures into that slot, although it was in use within a day
npm run migrate -- --script [--out F] [--slot release_a]
                                         prints the whole as one script for sqlcmd, or writes it to the file F; the procedures
                                         go into that slot, unless it has others that were in use within a day
npm run migrate -- --ledger              the same, with the audit as append-only ledger tables (docs/audit.md)`;

async function migrate(options: MigrationOptions): Promise<void> {
  const pool = await connectAdministrator(process.env);
  try {
    await applyMigrations(pool, ({ name, outcome }) => console.log(`${name}: ${outcome}`), options);
  } finally {
    await pool.close();
  }
}

async function main(): Promise<void> {
  helpIfAsked(HELP);
  const { values } = parseArgs({
    options: {
      script: { type: "boolean", default: false },
      out: { type: "string" },
      ledger: { type: "boolean", default: false },
      slot: { type: "string" },
      replace: { type: "string" },
    },
  });
  const { script, out, ledger, slot, replace } = values;
  if (script && replace !== undefined)
    throw new Error("--replace is for a migration that is run; a script takes --slot");
  if (!script && slot !== undefined) throw new Error("--slot is for a script; a migration that is run takes --replace");
  const options = { ledger, slot: slotOf(slot ?? replace) };
  if (!script) await migrate(options);
  else if (out === undefined) process.stdout.write(migrationScript(options));
  else writeFileSync(out, migrationScript(options));
}

/** @throws Error when there is no such slot */
function slotOf(name: string | undefined): Slot | undefined {
  if (name === undefined) return undefined;
  const slot = SLOTS.find((one) => one === name);
  if (slot === undefined) throw new Error(`there is no slot ${name}; there are ${SLOTS.join(", ")}`);
  return slot;
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`migrate: ${message.replaceAll(/\s+/g, " ").trim()}`);
  process.exitCode = 1;
});
