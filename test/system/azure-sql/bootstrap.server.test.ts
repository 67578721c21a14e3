import { afterAll, describe, expect, it } from "@jest/globals";
import { CredentialRegistry } from "../../../src/lib/domain/credentials/credential-registry.ts";
import { dropDatabases, giveBack, openOn, serverEnvironment, takeDatabase } from "../../contract/mssql-under-test.ts";
import { runFile } from "../../support/run-process.ts";

/** The first admin of a database in mode sql, while a process serves it. */
describe("bootstrap in mode sql", () => {
  afterAll(dropDatabases);

  it("makes one admin, however many are asked for at once, whose token every process knows", async () => {
    const database = await takeDatabase();
    const store = openOn(database);
    try {
      const run = (agentId: string) =>
        runFile("src/cli/main.ts", ["bootstrap", "--agent-id", agentId, "--json"], {
          // A server that has just made the database may take long over its first batches.
          environment: {
            ...serverEnvironment(database),
            AGENT_AUTH_MODE: "required",
            AZURE_SQL_REQUEST_TIMEOUT: "120",
          },
          milliseconds: 240_000,
        });
      const ids = ["root", "root-2", "root-3"];
      const runs = await Promise.all(ids.map(run));
      const [made, ...others] = runs.toSorted((one, other) => Number(one.code) - Number(other.code));
      expect([made?.code, made?.error]).toEqual([0, ""]);
      const { agentId, secret } = JSON.parse(made?.out ?? "");
      expect(others.map(({ code, out }) => [code, out])).toEqual([
        [1, ""],
        [1, ""],
      ]);
      for (const { error } of others) expect(error).toContain(`the admin ${agentId} has a valid credential`);
      expect((await store.listAgents({ limit: 9 })).items).toMatchObject([{ agentId }]);
      const credentials = new CredentialRegistry({ store });
      expect(await credentials.verifyToken(secret)).toMatchObject({ agentId, role: "admin" });
      const refused = await run("other");
      expect([refused.code, refused.out, refused.error]).toEqual([1, "", expect.stringContaining("--again")]);
    } finally {
      await store.close();
      await giveBack(database);
    }
  }, 600_000);
});
