import { afterAll, describe, expect, it } from "@jest/globals";
import { CredentialRegistry } from "../../src/lib/security/credential-registry.ts";
import { dropDatabases, giveBack, openOn, serverEnvironment, takeDatabase } from "../contract/mssql-under-test.ts";
import { runFile } from "../support/run-process.ts";

/** The first admin of a database in mode sql, while a process serves it. */
describe("bootstrap in mode sql", () => {
  afterAll(dropDatabases);

  it("makes an admin whose token every process knows, once", async () => {
    const database = await takeDatabase();
    const store = openOn(database);
    try {
      const run = () =>
        runFile("src/cli/main.ts", ["bootstrap", "--agent-id", "root", "--json"], {
          // A server that has just made the database may take long over its first batches.
          environment: {
            ...serverEnvironment(database),
            AGENT_AUTH_MODE: "required",
            AZURE_SQL_REQUEST_TIMEOUT: "120",
          },
          milliseconds: 240_000,
        });
      const made = await run();
      expect([made.code, made.error]).toEqual([0, ""]);
      const { secret } = JSON.parse(made.out);
      const credentials = new CredentialRegistry({ store });
      expect(await credentials.verifyToken(secret)).toMatchObject({ agentId: "root", role: "admin" });
      const refused = await run();
      expect([refused.code, refused.out, refused.error]).toEqual([1, "", expect.stringContaining("--again")]);
    } finally {
      await store.close();
      await giveBack(database);
    }
  }, 600_000);
});
