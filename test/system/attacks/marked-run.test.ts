import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { Worker } from "../../../src/client/worker.ts";
import { eventually } from "../../contract/support.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

/**
 * A whole run with agent tokens against a real process, with everything on that writes: encryption, the audit of messages, logs
 * of failures. Every content and every secret of it carries a mark; afterwards all that the process has printed, answered in
 * refusals, audited and stored is searched for the marks.
 */

const SALT = randomBytes(6).toString("hex");
const mark = (kind: string) => `mark-${kind}-${SALT}`;
/** Contents that only their owners may see, and that are encrypted at rest. */
const ENCRYPTED = ["payload", "parameters", "result"].map(mark);
/** Contents that only their owners may see. */
const TEXTS = ["description", "note", "error", "reason", "metadata", "label-free", "malformed", "path"].map(mark);

const secrets: string[] = [];
const refusals: string[] = [];
let host: LocalHost;

/** A token's random part: what must not be anywhere. */
function keep(token: string | undefined): string {
  const secret = /^(?:agt|enr)_[0-9a-f-]{36}_([A-Za-z0-9_-]{43})_/.exec(token ?? "")?.[1];
  if (token === undefined || secret === undefined) throw new Error("that is no token");
  secrets.push(secret);
  return token;
}

/** Every refusal is kept, to be searched. */
async function keepRefusals(url: string | URL, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init);
  if (!answer.ok) refusals.push(await answer.clone().text());
  return answer;
}

function clientOf(token: string): AgentClient {
  return new AgentClient({ baseUrl: host.baseUrl, token, retryBudgetMilliseconds: 0, fetch: keepRefusals });
}

const refused = (call: Promise<unknown>) =>
  call.then(
    () => "accepted",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
  );

async function bootstrap(): Promise<AgentClient> {
  const environment = { AGENT_MOCK_DATABASE: host.database };
  const made = await runFile("src/cli/main.ts", ["bootstrap", "--json"], { environment });
  expect(made.code).toBe(0);
  return clientOf(keep(/agt_[\w-]+/.exec(made.out)?.[0]));
}

async function enrol(admin: AgentClient, agentId: string, role: "worker" | "supervisor"): Promise<string> {
  const { secret } = await admin.issueCredential({
    kind: "enrolment",
    roles: [role],
    agentIdPrefix: agentId,
    maxUses: 1,
    expiresInSeconds: 600,
  });
  const enrolling = clientOf(keep(secret));
  const { token } = await enrolling.registerAgent({ agentId, role, metadata: { about: mark("metadata") } });
  expect(await refused(enrolling.listAgents())).not.toBe("accepted");
  return keep(token);
}

async function conversation(lead: AgentClient, helper: AgentClient): Promise<void> {
  const message = { sender: "lead", receiver: "helper", type: "query", payload: { text: mark("payload") } };
  await lead.sendMessage(message);
  const { messages } = await helper.receiveMessages("helper", { waitSeconds: 5 });
  expect(messages[0]?.payload).toEqual({ text: mark("payload") });
  expect(messages[0]).toMatchObject({ sender: "lead", senderRole: "supervisor", senderCredential: "token" });
  const settled = { agentId: "helper", attempt: 1, reason: mark("reason") };
  await helper.deadLetterMessage(messages[0]?.messageId ?? "", settled);
}

async function work(lead: AgentClient, token: string): Promise<void> {
  const worker = new Worker({
    client: clientOf(token),
    agentId: "builder",
    handle: async (task, run) => {
      await run.progress(50, mark("note"));
      if (task.taskType === "fails") throw new Error(mark("error"));
      return { text: mark("result") };
    },
  });
  await worker.start();
  const task = { supervisor: "lead", description: mark("description"), parameters: { text: mark("parameters") } };
  const done = await lead.assignTask({ ...task, taskType: "works" });
  const failed = await lead.assignTask({ ...task, taskType: "fails", maxRetries: 0 });
  await eventually(async () => (await lead.getTask(done.taskId)).status === "completed", 20_000);
  await eventually(async () => (await lead.getTask(failed.taskId)).status === "failed", 20_000);
  expect((await lead.getTask(done.taskId)).result).toEqual({ text: mark("result") });
  await worker.stop();
}

async function misuse(lead: AgentClient, helperToken: string): Promise<void> {
  const helper = clientOf(helperToken);
  const forged = `${helperToken.slice(0, -9)}x_${helperToken.slice(-8)}`;
  expect(await refused(clientOf(forged).getAgent("helper"))).toBe("UNAUTHENTICATED");
  const asLead = { sender: "lead", receiver: "helper", type: "query", payload: mark("payload") };
  expect(await refused(helper.sendMessage(asLead))).toBe("FORBIDDEN");
  expect(await refused(helper.receiveMessages("lead"))).toBe("FORBIDDEN");
  expect(await refused(lead.completeTask(mark("path"), { agentId: "lead", attempt: 1, result: mark("result") }))).toBe(
    "FORBIDDEN",
  );
  const headers = { authorization: `Bearer ${helperToken}`, "content-type": "application/json" };
  const malformed = { method: "POST", headers, body: `{"sender":"helper","payload":"${mark("malformed")}` };
  expect((await keepRefusals(`${host.baseUrl}/messages`, malformed)).status).toBe(400);
}

/** The store away in the middle of a marked call: what goes wrong on our side is logged. */
async function outage(helper: AgentClient): Promise<void> {
  const other = new DatabaseSync(host.database);
  other.exec("BEGIN IMMEDIATE");
  try {
    const message = { sender: "helper", receiver: "helper", type: "query", payload: mark("payload") };
    expect(await refused(helper.sendMessage(message))).toBe("STORE_UNAVAILABLE");
  } finally {
    other.exec("ROLLBACK");
    other.close();
  }
}

async function auditText(admin: AgentClient): Promise<string> {
  let text = "";
  let cursor: string | undefined;
  do {
    const page = await admin.listAudit({ limit: 200, ...(cursor !== undefined && { cursor }) });
    text += JSON.stringify(page.entries);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return text;
}

const found = (text: string, marks: readonly string[]) => marks.filter((one) => text.includes(one));

describe("a run with marked contents and secrets", () => {
  let audit = "";

  beforeAll(async () => {
    host = await startLocalHost({ AGENT_AUTH_MODE: "required", AGENT_ENCRYPT: "all", AGENT_AUDIT_MESSAGES: "on" });
    const admin = await bootstrap();
    const leadToken = await enrol(admin, "lead", "supervisor");
    const helperToken = await enrol(admin, "helper", "worker");
    const builderToken = await enrol(admin, "builder", "worker");
    // The helper takes no tasks.
    const helper = clientOf(helperToken);
    await helper.registerAgent({ agentId: "helper", role: "worker", maxConcurrentTasks: 0 });
    await conversation(clientOf(leadToken), helper);
    await work(clientOf(leadToken), builderToken);
    await misuse(clientOf(leadToken), helperToken);
    await outage(helper);
    audit = await auditText(admin);
  }, 180_000);

  afterAll(async () => {
    await host.stop();
  });

  it("was a real one: it was audited, refused and logged", () => {
    expect(secrets.length).toBe(7);
    for (const action of [
      "agent.registered",
      "task.completed",
      "task.failed",
      "credential.issued",
      "credential.used_enrolment",
    ]) {
      expect(audit).toContain(action);
    }
    expect(refusals.length).toBeGreaterThan(5);
    expect(host.output()).toContain("STORE_UNAVAILABLE");
  });

  it("leaves none of them in what the process prints", () => {
    expect(found(host.output(), [...ENCRYPTED, ...TEXTS, ...secrets])).toEqual([]);
  });

  it("leaves none of them in refusals", () => {
    // The id of the path is the caller's own word, and names what was not found.
    const marks = [...ENCRYPTED, ...TEXTS, ...secrets].filter((one) => one !== mark("path"));
    expect(found(refusals.join("\n"), marks)).toEqual([]);
  });

  it("leaves none of them in the audit", () => {
    expect(found(audit, [...ENCRYPTED, ...TEXTS, ...secrets])).toEqual([]);
  });

  it("leaves no secret and no encrypted content in the database", () => {
    for (const file of [host.database, `${host.database}-wal`]) {
      const bytes = readFileSync(file);
      expect([...ENCRYPTED, ...secrets].filter((one) => bytes.includes(one))).toEqual([]);
    }
    expect(readFileSync(`${host.database}-wal`).includes(mark("description"))).toBe(true);
  });
});
