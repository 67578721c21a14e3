import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { CredentialRegistry } from "../../../src/lib/domain/credentials/credential-registry.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { type Finished, runFile } from "../../support/run-process.ts";

/** Credentials on the command line: each secret is printed once, on standard output, and is what the service accepts. */

const TOKEN = /agt_[0-9a-f-]{36}_[\w-]{43}_[0-9a-f]{8}/g;
const KEY = /enr_[0-9a-f-]{36}_[\w-]{43}_[0-9a-f]{8}/g;

function secretIn({ out, error }: Finished, form: RegExp): string {
  expect(error).not.toMatch(form);
  const [secret, ...more] = out.match(form) ?? [];
  expect(more).toEqual([]);
  if (secret === undefined) throw new Error(`no secret in: ${out}${error}`);
  return secret;
}

/** What a service on that file would say of a token. */
async function verified(database: string, token: string) {
  const store = openSqliteStore({ file: database, settings: CALM_SETTINGS, clock: systemClock });
  try {
    return await new CredentialRegistry({ store }).verifyToken(token);
  } finally {
    await store.close();
  }
}

describe("bootstrap", () => {
  let folder = "";
  let database = "";

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-"));
    database = join(folder, "agents.db");
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const bootstrap = (words: readonly string[] = [], environment: Record<string, string> = {}) =>
    runFile("src/cli/main.ts", ["bootstrap", ...words], {
      environment: { AGENT_MOCK_DATABASE: database, AGENT_COMMUNICATION_URL: "http://127.0.0.1:9/api", ...environment },
    });

  it("makes the first admin and its token in a new database, whatever a service would need to be safe", async () => {
    const made = await bootstrap([], { AGENT_AUTH_MODE: "required", AGENT_HTTP_HOST: "0.0.0.0" });
    expect([made.code, made.error]).toEqual([0, ""]);
    expect(made.out).toContain("AGENT_COMMUNICATION_TOKEN");
    const token = secretIn(made, TOKEN);
    expect(await verified(database, token)).toMatchObject({ agentId: "admin", role: "admin", agentStatus: "active" });
  });

  it("works while a service runs on the file, which then knows the admin", async () => {
    const host = await startLocalHost({}, { database });
    try {
      const made = await bootstrap(["--agent-id", "root-1", "--expires-in-days", "0.5", "--label", "first", "--json"]);
      expect([made.code, made.error]).toEqual([0, ""]);
      const { agentId, credential, secret } = JSON.parse(made.out);
      expect(agentId).toBe("root-1");
      expect(credential).toMatchObject({ kind: "token", agentId: "root-1", label: "first", createdBy: "system" });
      expect(Date.parse(credential.expiresAt) - Date.parse(credential.createdAt)).toBe(43_200_000);
      const reply = await fetch(`${host.baseUrl}/agents/root-1`);
      expect(await reply.json()).toMatchObject({ agentId: "root-1", role: "admin" });
      expect(await verified(database, secret)).toMatchObject({ agentId: "root-1" });
    } finally {
      await host.stop({ keep: true });
    }
  });

  it("is refused while an admin has a valid credential, unless it is asked again", async () => {
    const first = secretIn(await bootstrap(), TOKEN);
    const refused = await bootstrap(["--agent-id", "other"]);
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.error).toMatch(/^error: the admin admin has a valid credential .*--again.*\n$/);
    const repeated = await bootstrap(["--again"]);
    // Which one to revoke, and how: by a command that can be copied.
    expect(repeated.out).toContain(`npm run cli -- credentials revoke ${first.slice(4, 40)} `);
    const again = secretIn(repeated, TOKEN);
    expect(repeated.out).not.toContain(`revoke ${again.slice(4, 40)}`);
    for (const token of [first, again]) expect(await verified(database, token)).toMatchObject({ agentId: "admin" });
  });

  it("makes one admin when it runs several times at once", async () => {
    const ids = ["root-1", "root-2", "root-3"];
    const runs = await Promise.all(ids.map((agentId) => bootstrap(["--agent-id", agentId])));
    expect(runs.map(({ code }) => code).sort()).toEqual([0, 1, 1]);
    const made = ids[runs.findIndex(({ code }) => code === 0)];
    for (const { code, out, error } of runs) {
      if (code === 0) continue;
      expect([out, error]).toEqual(["", expect.stringMatching(`^error: the admin ${made} has a valid .*--again.*\n$`)]);
    }
    const store = openSqliteStore({ file: database, settings: CALM_SETTINGS, clock: systemClock });
    expect((await store.listAgents({ limit: 9 })).items.map(({ agentId }) => agentId)).toEqual([made]);
    expect((await store.listCredentials({ limit: 9 })).items).toHaveLength(1);
    await store.close();
  });

  it("is not refused once that has ended", async () => {
    const store = openSqliteStore({ file: database, settings: CALM_SETTINGS, clock: systemClock });
    const first = secretIn(await bootstrap(), TOKEN);
    await store.revokeCredential(first.slice(4, 40));
    await store.deregisterAgent("admin");
    await store.close();
    const next = secretIn(await bootstrap(), TOKEN);
    expect(await verified(database, next)).toMatchObject({ agentId: "admin", agentStatus: "active" });
    expect(await verified(database, first)).toBeUndefined();
  });

  it("makes nobody an admin who is something else, and nothing of a bad option", async () => {
    const store = openSqliteStore({ file: database, settings: CALM_SETTINGS, clock: systemClock });
    await store.registerAgent({ agentId: "worker-1", role: "worker", capabilities: [], maxConcurrentTasks: 1 });
    const refused = await bootstrap(["--agent-id", "worker-1"]);
    expect([refused.code, refused.out, refused.error]).toEqual([
      1,
      "",
      "error: worker-1 is a worker: choose another --agent-id\n",
    ]);
    for (const words of [
      ["--agent-id", "not an id"],
      ["--expires-in-days", "-1"],
      ["--label", ""],
    ]) {
      const { code, out } = await bootstrap(words);
      expect([words, code, out]).toEqual([words, 1, ""]);
    }
    expect((await store.listAgents({ limit: 9 })).items.map(({ agentId }) => agentId)).toEqual(["worker-1"]);
    expect((await store.listCredentials({ limit: 9 })).items).toEqual([]);
    await store.close();
  });

  it("says in one line what is wrong with a database of mode sql", async () => {
    const sql = { AGENT_COMMUNICATION_MODE: "sql", AZURE_SQL_SERVER: "", AZURE_SQL_CONNECTION_STRING: "" };
    const nowhere = await bootstrap([], { ...sql, AZURE_SQL_DATABASE: "" });
    expect([nowhere.code, nowhere.out]).toEqual([1, ""]);
    expect(nowhere.error).toMatch(/^error: bad settings: AZURE_SQL_SERVER: [^\n]*\n$/);
  });
});

describe("credentials", () => {
  let host: LocalHost;

  beforeAll(async () => {
    host = await startLocalHost();
    for (const [agentId, role] of [
      ["lead", "supervisor"],
      ["hand", "worker"],
    ]) {
      await run(["agents", "register", agentId ?? "", "--role", role ?? ""]);
    }
  });
  afterAll(async () => {
    await host?.stop();
  });

  const run = (words: readonly string[], environment: Record<string, string> = {}) =>
    runFile("src/cli/main.ts", words, { environment: { AGENT_COMMUNICATION_URL: host.baseUrl, ...environment } });
  const json = async (words: readonly string[]): Promise<Record<string, unknown>> => {
    const { code, out, error } = await run([...words, "--json"]);
    expect([code, error]).toEqual([0, ""]);
    return JSON.parse(out);
  };

  it("issue, list and revoke tokens", async () => {
    const issued = await run(["credentials", "issue", "hand", "--label", "on rack 7"]);
    const token = secretIn(issued, TOKEN);
    const credentialId = token.slice(4, 40);
    expect(await verified(host.database, token)).toMatchObject({ agentId: "hand", role: "worker" });
    const list = await run(["credentials", "list", "--agent", "hand", "--kind", "token"]);
    expect(list.out.split("\n")[0]).toMatch(/^CREDENTIAL +KIND +AGENTS +ENDS +LAST USED +CREATED +BY +LABEL$/);
    expect(list.out.split("\n")[1]).toMatch(new RegExp(`^${credentialId} +token +hand +never `));
    expect(list.out).not.toContain(token.slice(41, 84));
    const revoked = await run(["credentials", "revoke", credentialId]);
    expect(revoked.out).toMatch(/^revokedAt +20/m);
    expect(await verified(host.database, token)).toBeUndefined();
    expect((await run(["credentials", "list", "--agent", "hand"])).out).toMatch(/revoked 20/);
    const unknown = await run(["credentials", "revoke", credentialId.replace(/^./, "f")]);
    expect([unknown.code, unknown.error]).toEqual([1, expect.stringContaining("NOT_FOUND")]);
  });

  it("enrol: a key for so many agents with that prefix", async () => {
    const made = await run([
      "credentials",
      "enrol",
      "--prefix",
      "blue-",
      "--roles",
      "worker,observer",
      "--max-uses",
      "5",
    ]);
    const key = secretIn(made, KEY);
    expect(made.out).toContain("blue-");
    const list = await run(["credentials", "list", "--kind", "enrolment"]);
    expect(list.out).toMatch(new RegExp(`^${key.slice(4, 40)} +enrolment +blue-\\* \\(5/5\\) `, "m"));
    const admin = await run(["credentials", "enrol", "--prefix", "x", "--roles", "admin"]);
    expect([admin.code, admin.out, admin.error]).toEqual([1, "", expect.stringContaining("roles.0")]);
  });

  it("carry what may be registered with them, and how they end", async () => {
    const bounds = ["--capabilities", "python,review*", "--max-concurrent-tasks", "3", "--idle-days", "9"];
    const given = { capabilities: ["python", "review*"], maxConcurrentTasks: 3, idleDays: 9 };
    const objectId = "bbbbbbbb-1111-4222-8333-444444444444";
    for (const words of [
      ["issue", "hand"],
      ["enrol", "--prefix", "x-", "--token-expires-in-days", "30"],
      ["bind-principal", objectId, "--prefix", "x-"],
      ["bind-certificate", "hand", "--subject", "CN=bounded"],
    ]) {
      const { credential } = await json(["credentials", ...words, ...bounds]);
      expect(credential).toMatchObject(given);
      if (words[0] === "enrol") expect(credential).toMatchObject({ expiresInDays: 30, maxUses: 1 });
    }
    const { credential } = await json(["credentials", "enrol", "--prefix", "x-"]);
    expect(credential).toMatchObject({ idleDays: 90 });
    const list = await run(["credentials", "list", "--agent", "hand", "--kind", "token"]);
    // An unused token with a term of disuse has an end in the list.
    expect(list.out.split("\n")[1]).not.toContain("never");
  });

  it("bind principals and certificates", async () => {
    const objectId = "aaaaaaaa-1111-4222-8333-444444444444";
    const principal = await json(["credentials", "bind-principal", objectId, "--agents", "hand,lead"]);
    expect(principal).toEqual({ credential: expect.objectContaining({ objectId, agentIds: ["hand", "lead"] }) });
    const print = Array.from({ length: 32 }, (_, n) => n.toString(16).padStart(2, "0").toUpperCase()).join(":");
    const certificate = await json(["credentials", "bind-certificate", "hand", "--thumbprint", print]);
    const thumbprint = print.replaceAll(":", "").toLowerCase();
    expect(certificate).toEqual({ credential: expect.objectContaining({ agentId: "hand", thumbprint }) });
    const subject = "CN=hand,O=Example";
    expect((await run(["credentials", "bind-certificate", "hand", "--subject", subject])).out).toMatch(
      /^subject +CN=hand,O=Example$/m,
    );
    for (const words of [
      ["bind-principal", objectId],
      ["bind-principal", objectId, "--agents", "a", "--prefix", "b"],
      ["bind-certificate", "hand"],
    ]) {
      expect([words, (await run(["credentials", ...words])).code]).toEqual([words, 2]);
    }
  });

  it("a token that comes with a registration is shown", async () => {
    const registered = (await run(["agents", "register", "new", "--json"])).out;
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers.authorization, request.headers["idempotency-key"]?.toString());
      response.writeHead(201, { "content-type": "application/json" });
      response.end(JSON.stringify({ ...JSON.parse(registered), token: "agt_the-token" }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const words = ["agents", "register", "new", "--url", `http://127.0.0.1:${port}/api`];
    const { code, out } = await run(words, { AGENT_COMMUNICATION_TOKEN: "enr_key" });
    server.close();
    expect([code, asked[0]]).toEqual([0, "Bearer enr_key"]);
    expect(asked[1]).toMatch(/^[0-9a-f-]{36}$/);
    expect(out).toMatch(/^token +agt_the-token$/m);
  });
});
