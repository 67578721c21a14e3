import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import type { AgentClientOptions } from "../../../src/client/route-caller.ts";
import { Supervisor } from "../../../src/client/supervisor.ts";
import type { FetchAnswer, FetchRequest } from "../../../src/client/transport.ts";
import { Worker } from "../../../src/client/worker.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { caught, DAY, eventually } from "../../contract/support.ts";
import { type RequiredProcess, startRequiredProcess } from "../../support/required-process.ts";
import { runFile } from "../../support/run-process.ts";

/** How agents come by their tokens and keep them, against a real process: nothing that fails on the way locks one out. */

let host: RequiredProcess;
let folder = "";
let file = "";
let counter = 0;
const started: Worker[] = [];

beforeAll(async () => {
  host = await startRequiredProcess();
});
afterAll(() => host.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-token-"));
  file = join(folder, "token");
  counter += 1;
});
afterEach(async () => {
  // Those of a test that failed, too.
  await Promise.all(started.splice(0).map((worker) => worker.stop()));
  await rm(folder, { recursive: true, force: true });
});

const clientOf = (options: Partial<AgentClientOptions>) => new AgentClient({ baseUrl: host.baseUrl, ...options });
const kept = async () => (await readFile(file, "utf8")).trim();
const idIn = (token: string) => token.slice(4, 40);

/** A worker whose errors about its token are collected. */
function workerOf(options: Partial<AgentClientOptions>, agentId = `w-${counter}`) {
  const errors: unknown[] = [];
  const client = clientOf(options);
  const worker = new Worker({
    client,
    agentId,
    handle: async () => null,
    onEvent: (event) => event.type === "error" && event.during === "token" && errors.push(event.error),
  });
  started.push(worker);
  return { worker, client, errors, agentId };
}

async function enrolmentKey(maxUses = 1): Promise<string> {
  const terms = { roles: ["worker" as const, "supervisor" as const], agentIdPrefix: "w-", expiresInSeconds: 600 };
  const { secret = "" } = await host.admin.issueCredential({ kind: "enrolment", maxUses, ...terms });
  return secret;
}

/** An agent with a token of 100 days, so many of them over. */
async function agedToken(agentId: string, days: number, role: "worker" | "supervisor" = "worker"): Promise<string> {
  await host.admin.registerAgent({ agentId, role });
  const { secret = "" } = await host.admin.issueCredential({ kind: "token", agentId, expiresInSeconds: 8_640_000 });
  age(secret, days);
  return secret;
}

function age(token: string, days: number): void {
  const database = new DatabaseSync(host.database);
  const sql =
    "UPDATE credentials SET created_at = created_at - ?1, expires_at = expires_at - ?1 WHERE credential_id = ?2";
  database.prepare(sql).run(days * DAY, idIn(token));
  database.close();
}

/** Whose revocation the admin sees. */
async function isRevoked(agentId: string, token: string): Promise<boolean> {
  const { credentials } = await host.admin.listCredentials({ agentId });
  return credentials.some(({ credentialId, revokedAt }) => credentialId === idIn(token) && revokedAt !== undefined);
}

describe("a worker with an enrolment key", () => {
  it("enrols by itself, keeps its token for itself alone, and starts again with that", async () => {
    const token = await enrolmentKey();
    const first = workerOf({ token, tokenFile: file });
    await first.worker.start();
    expect(await kept()).toMatch(/^agt_/);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["token"]);
    await first.worker.stop();
    const again = workerOf({ token, tokenFile: file });
    await again.worker.start();
    expect((await host.admin.getAgent(first.agentId)).status).toBe("active");
    await again.worker.stop({ deregister: true });
  });

  it("is renewed without a file, too, while the worker or supervisor runs", async () => {
    const key = await enrolmentKey(2);
    const { worker, agentId } = workerOf({ token: key });
    await worker.start();
    expect((await host.admin.getAgent(agentId)).role).toBe("worker");
    await worker.stop();
    const supervisor = new Supervisor({ client: clientOf({ token: key }), agentId: `w-lead-${counter}` });
    await supervisor.start();
    await supervisor.stop();
    // The token went with the process, and the id is taken.
    expect(await caught(workerOf({ token: key }).worker.start())).toBe("ID_TAKEN");
  });

  it("that cannot keep its token says so before it enrols, and loses nothing", async () => {
    const token = await enrolmentKey();
    const away = join(folder, "not", "there");
    const { worker, agentId } = workerOf({ token, tokenFile: away });
    await expect(worker.start()).rejects.toThrow("ENOENT");
    expect(await caught(host.admin.getAgent(agentId))).toBe("AGENT_NOT_FOUND");
    await mkdir(join(folder, "not"));
    const again = workerOf({ token, tokenFile: away });
    await again.worker.start();
    await again.worker.stop();
  });

  it("that died before it had kept its token gets another one at its next start", async () => {
    const token = await enrolmentKey();
    // The answer arrives, and the process is gone.
    const dying = workerOf({ token, tokenFile: file, fetch: dyingAfter("POST", "/agents") });
    await expect(dying.worker.start()).rejects.toThrow();
    const again = workerOf({ token, tokenFile: file });
    await again.worker.start();
    expect((await host.admin.listCredentials({ agentId: again.agentId })).credentials).toHaveLength(1);
    await again.worker.stop();
  });
});

/** A fetch whose answer to that call never reaches the caller. */
function dyingAfter(method: string, path: string) {
  return async (url: string, init: FetchRequest): Promise<FetchAnswer> => {
    const answer = await fetch(url, init);
    if (init.method === method && new URL(url).pathname.endsWith(path)) {
      await answer.text();
      return new Response(JSON.stringify({ code: "INTERNAL" }), { status: 418 });
    }
    return answer;
  };
}

describe("a token at two thirds of its life", () => {
  it("is renewed by its worker and its supervisor, in the file first; the old one ends", async () => {
    for (const role of ["worker", "supervisor"] as const) {
      const agentId = `w-${counter}-${role}`;
      const old = await agedToken(agentId, 70, role);
      const client = clientOf({ token: old, tokenFile: file });
      const agent =
        role === "worker"
          ? new Worker({ client, agentId, handle: async () => null })
          : new Supervisor({ client, agentId });
      await rm(file, { force: true });
      await agent.start();
      await eventually(() => isRevoked(agentId, old));
      const next = await kept();
      expect(next).not.toBe(old);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      const { credentialId, expiresAt = "" } = await clientOf({ token: next }).getOwnToken();
      expect(credentialId).toBe(idIn(next));
      expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now() + 99 * DAY);
      expect((await client.heartbeat(agentId)).status).toBe("active");
      await agent.stop();
    }
  });

  it("is left alone before that, and where it does not expire", async () => {
    const young = await agedToken(`w-${counter}`, 60);
    const { worker, errors } = workerOf({ token: young, tokenFile: file });
    await worker.start();
    const { token, client } = await host.agent(`w-${counter}-free`);
    const free = workerOf({ token }, `w-${counter}-free`);
    await free.worker.start();
    // Behind the question of when the token expires.
    await client.heartbeat(free.agentId);
    await Promise.all([worker.stop(), free.worker.stop()]);
    expect(await readdir(folder)).toEqual([]);
    expect((await host.admin.listCredentials({ agentId: `w-${counter}` })).credentials).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  it("stays in use when the new one cannot be kept, and the worker says so", async () => {
    const old = await agedToken(`w-${counter}`, 70);
    // A name that leaves no room for that of the temporary file, whose rename replaces it.
    const long = join(folder, "t".repeat(240));
    await writeFile(long, old);
    const { worker, client, errors, agentId } = workerOf({ tokenFile: long });
    await worker.start();
    await eventually(async () => errors.length > 0);
    expect(String(errors[0])).toContain("ENAMETOOLONG");
    // What it shows after that is still the old one: the first use of another would end it.
    await client.heartbeat(agentId);
    expect(await isRevoked(agentId, old)).toBe(false);
    expect(await readFile(long, "utf8")).toBe(old);
    expect((await clientOf({ tokenFile: long }).heartbeat(agentId)).status).toBe("active");
    await worker.stop();
  });

  it("does not end a long poll that began with the old one", async () => {
    const { agentId, token: old } = await host.agent(`w-${counter}`);
    let sent: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      sent = resolve;
    });
    const telling = (url: string, init: FetchRequest): Promise<FetchAnswer> => {
      if (url.endsWith("/receive")) sent();
      return fetch(url, init);
    };
    const client = clientOf({ token: old, fetch: telling });
    const poll = client.receiveMessages(agentId, { waitSeconds: 10 });
    await asked;
    const { token } = await client.renewToken(agentId);
    await client.ownToken.adopt(token);
    await client.heartbeat(agentId);
    await host.admin.registerAgent({ agentId: "admin", role: "admin", maxConcurrentTasks: 0 });
    await host.admin.sendMessage({ sender: "admin", receiver: agentId, type: "query", payload: counter });
    expect((await poll).messages.map(({ payload }) => payload)).toEqual([counter]);
    expect(await isRevoked(agentId, old)).toBe(true);
  });

  it("is renewed once by a clock that is far ahead, not again and again", async () => {
    const token = await agedToken(`w-${counter}`, 0);
    const clock = new OffsetClock();
    clock.set(80 * DAY);
    let reads = 0;
    const counting = (url: string, init: FetchRequest): Promise<FetchAnswer> => {
      if (init.method === "GET" && url.endsWith("/token")) reads += 1;
      return fetch(url, init);
    };
    const { worker, client, errors, agentId } = workerOf({ token, tokenFile: file, clock, fetch: counting });
    await worker.start();
    // Before the renewal, with the new token at once, and to find out when that one is due.
    await eventually(async () => reads >= 3);
    for (let n = 0; n < 50; n += 1) await client.heartbeat(agentId);
    expect((await host.admin.listCredentials({ agentId })).credentials).toHaveLength(2);
    await worker.stop();
    expect(errors).toEqual([]);
  });

  it("of seconds is renewed again and again while the worker runs", async () => {
    const agentId = `w-${counter}`;
    await host.admin.registerAgent({ agentId, role: "worker" });
    const { secret = "" } = await host.admin.issueCredential({ kind: "token", agentId, expiresInSeconds: 2 });
    const { worker, errors } = workerOf({ token: secret, tokenFile: file });
    await worker.start();
    await eventually(async () => {
      const { credentials } = await host.admin.listCredentials({ agentId });
      return credentials.length >= 3;
    }, 10_000);
    expect((await clientOf({ tokenFile: file }).heartbeat(agentId)).status).toBe("active");
    expect(errors).toEqual([]);
    await worker.stop();
  });

  it("is renewed again when the answer was lost", async () => {
    const old = await agedToken(`w-${counter}`, 70);
    let lost = 0;
    const losing = async (url: string, init: FetchRequest): Promise<FetchAnswer> => {
      const answer = await fetch(url, init);
      if (init.method !== "POST" || !url.endsWith("/token") || lost > 1) return answer;
      lost += 1;
      throw new TypeError("connection lost");
    };
    const { worker, agentId } = workerOf({ token: old, tokenFile: file, fetch: losing });
    await worker.start();
    await eventually(() => isRevoked(agentId, old));
    expect(lost).toBe(2);
    expect((await clientOf({ tokenFile: file }).getOwnToken()).kind).toBe("token");
    await worker.stop();
  });

  it("renewed by one process is found in the file by another that is the same agent", async () => {
    const agentId = `w-${counter}`;
    const old = await agedToken(agentId, 10);
    await writeFile(file, `${old}\n`);
    const other = clientOf({ tokenFile: file });
    await other.heartbeat(agentId);
    const { worker } = workerOf({ tokenFile: file }, agentId);
    age(old, 60);
    await worker.start();
    await eventually(() => isRevoked(agentId, old));
    expect((await other.heartbeat(agentId)).status).toBe("active");
    await worker.stop();
  });

  it("gives way to a new token of the environment, when the one in the file is not valid any more", async () => {
    const { agentId, token: stale } = await host.agent(`w-${counter}`);
    await writeFile(file, stale);
    await host.admin.revokeCredential(idIn(stale));
    const { secret = "" } = await host.admin.issueCredential({ kind: "token", agentId });
    const client = clientOf({ token: secret, tokenFile: file });
    expect((await client.heartbeat(agentId)).status).toBe("active");
    expect(await caught(clientOf({ token: stale, tokenFile: file }).heartbeat(agentId))).toBe("UNAUTHENTICATED");
  });
});

describe("the file of a token", () => {
  it("may be a link, which stays", async () => {
    const old = await agedToken(`w-${counter}`, 70);
    await mkdir(join(folder, "secret"));
    await writeFile(join(folder, "secret", "real"), old);
    await symlink(join(folder, "secret", "real"), file);
    const { worker, agentId } = workerOf({ tokenFile: file });
    await worker.start();
    await eventually(() => isRevoked(agentId, old));
    expect(await readFile(join(folder, "secret", "real"), "utf8")).toBe(`${await kept()}\n`);
    await worker.stop();
  });

  it("that holds something else is refused without showing it", async () => {
    await writeFile(file, "top secret\nlines");
    const error = await clientOf({ tokenFile: file })
      .getOwnToken()
      .catch((reason: unknown) => reason);
    expect(String(error)).toContain("not a token");
    expect(String(error)).not.toContain("secret\n");
  });
});

describe("the command line", () => {
  const run = (words: string[], environment: Record<string, string>) =>
    runFile("src/cli/main.ts", words, { environment: { AGENT_COMMUNICATION_URL: host.baseUrl, ...environment } });

  it("renews the token in its file after a command, and goes on with the new one", async () => {
    const agentId = `w-${counter}`;
    const old = await agedToken(agentId, 70, "supervisor");
    await writeFile(file, old);
    const environment = { AGENT_COMMUNICATION_TOKEN_FILE: file };
    const first = await run(["agents", "list", "--json"], environment);
    expect([first.code, first.error]).toEqual([0, ""]);
    expect(await kept()).not.toBe(old);
    expect(await isRevoked(agentId, old)).toBe(true);
    const next = await kept();
    const second = await run(["agents", "list", "--json"], environment);
    expect([second.code, second.error, await kept()]).toEqual([0, "", next]);
  });

  it("leaves a token of the environment alone: the new one would be lost", async () => {
    const agentId = `w-${counter}`;
    const old = await agedToken(agentId, 70, "supervisor");
    const done = await run(["agents", "list"], { AGENT_COMMUNICATION_TOKEN: old });
    expect(done.code).toBe(0);
    expect((await host.admin.listCredentials({ agentId })).credentials).toHaveLength(1);
  });
});
