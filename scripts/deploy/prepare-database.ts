import { readFileSync } from "node:fs";
import type mssql from "mssql";
import { z } from "zod";
import { readStoreSettings } from "../../src/cli/own-database.ts";
import { applyMigrations } from "../../src/lib/store/mssql/migrate.ts";
import { batchesOf } from "../../src/lib/store/mssql/texts.ts";
import { openStore } from "../../src/lib/store/open-store.ts";
import { connectAdministrator } from "../administrator-pool.ts";
import { ensureEncryptionKey } from "./encryption-key.ts";
import { bindFirstAdmin } from "./first-admin.ts";

/**
 * node scripts/deploy/prepare-database.ts
 *
 * Makes a database ready for a deployment, as a member of the administrators' group: the two roles, the app's user, the
 * migrations; the first encryption key, when the vault has none; and the first admin, when one is named. All of it may be run again. The migration job runs it in
 * the network (prepare.ts), a developer from their own machine.
 */

/** What is asked of the environment besides AZURE_SQL_*; the template's outputs have these names. */
const settingsSchema = z.object({
  // They become part of a statement that takes no parameters.
  APP_IDENTITY_NAME: z.string().regex(/^[A-Za-z0-9_-]{3,128}$/, "must be the name of a managed identity"),
  APP_IDENTITY_CLIENT_ID: z.guid(),
  AZURE_KEY_VAULT_URL: z.url().optional(),
  AGENT_ENCRYPTION_SECRET: z.string().optional(),
  ADMIN_PRINCIPAL_ID: z.guid().optional(),
});

/** Runs a script of infra/sql with sqlcmd's variables, batch by batch. @throws Error of the first batch that fails */
async function runScript(
  pool: mssql.ConnectionPool,
  name: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<void> {
  let text = readFileSync(new URL(`../../infra/sql/${name}.sql`, import.meta.url), "utf8");
  for (const [variable, value] of Object.entries(variables)) text = text.replaceAll(`$(${variable})`, value);
  for (const batch of batchesOf(text)) await pool.request().batch(batch);
}

async function main(): Promise<void> {
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ""));
  const settings = settingsSchema.parse(given);
  const pool = await connectAdministrator(process.env);
  try {
    await runScript(pool, "roles");
    await runScript(pool, "managed-identity", {
      principal: settings.APP_IDENTITY_NAME,
      clientId: settings.APP_IDENTITY_CLIENT_ID,
      role: "agent_communication_app",
    });
    console.log(`user ${settings.APP_IDENTITY_NAME}: agent_communication_app`);
    await applyMigrations(pool, ({ name, outcome }) => console.log(`${name}: ${outcome}`));
    // Once more: older migrations let the app at tables of the audit, which procedures do in its place.
    await runScript(pool, "roles");
  } finally {
    await pool.close();
  }
  const { AZURE_KEY_VAULT_URL: vault, AGENT_ENCRYPTION_SECRET: name } = settings;
  if (vault !== undefined && name !== undefined) {
    console.log(`encryption key ${name}: ${await ensureEncryptionKey(vault, name)}`);
  }
  if (settings.ADMIN_PRINCIPAL_ID !== undefined) {
    const store = await openStore(readStoreSettings({ ...given, AGENT_COMMUNICATION_MODE: "sql" }));
    try {
      console.log(`admin ${settings.ADMIN_PRINCIPAL_ID}: ${await bindFirstAdmin(store, settings.ADMIN_PRINCIPAL_ID)}`);
    } finally {
      await store.close();
    }
  }
}

main().catch((error: unknown) => {
  const message = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : error;
  console.error(`prepare-database: ${message}`);
  process.exitCode = 1;
});
