import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { applyMigrations, type MigrationOptions, migrationScript } from "../src/lib/store/mssql/migrate.ts";
import { connectAdministrator } from "./administrator-pool.ts";
import { helpIfAsked } from "./help.ts";

/**
 * npm run migrate                          brings the database that AZURE_SQL_* name up to date, one line per migration
 * npm run migrate -- --script [--out F]    prints the whole as one script for sqlcmd, or writes it to the file F
 * npm run migrate -- --ledger              the same two, with the audit as append-only ledger tables (docs/audit.md)
 *
 * Whoever runs it must be allowed to change the schema (infra/sql/roles.sql), which the app is not.
 */

async function migrate(options: MigrationOptions): Promise<void> {
  const pool = await connectAdministrator(process.env);
  try {
    await applyMigrations(pool, ({ name, outcome }) => console.log(`${name}: ${outcome}`), options);
  } finally {
    await pool.close();
  }
}

async function main(): Promise<void> {
  helpIfAsked(`
npm run migrate                          brings the database that AZURE_SQL_* name up to date, one line per migration
npm run migrate -- --script [--out F]    prints the whole as one script for sqlcmd, or writes it to the file F
npm run migrate -- --ledger              the same two, with the audit as append-only ledger tables (docs/audit.md)`);
  const { values } = parseArgs({
    options: {
      script: { type: "boolean", default: false },
      out: { type: "string" },
      ledger: { type: "boolean", default: false },
    },
  });
  const { script, out, ledger } = values;
  if (!script) await migrate({ ledger });
  else if (out === undefined) process.stdout.write(migrationScript({ ledger }));
  else writeFileSync(out, migrationScript({ ledger }));
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`migrate: ${message.replaceAll(/\s+/g, " ").trim()}`);
  process.exitCode = 1;
});
