import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";

/** A list that is narrowed to the caller keeps what the caller asked for, and refusals say the same of all that is not its own. */

interface Party {
  agentId: string;
  headers: Record<string, string>;
}

let host: GuardedHost;
let lead: Party;
let other: Party;
let worker: Party;
const ids: Record<string, string> = {};

async function party(role: "worker" | "supervisor"): Promise<Party> {
  const { agentId, token } = await host.agent(role);
  return { agentId, headers: bearer(token) };
}

async function assign(by: Party, taskType: string, more: object = {}): Promise<string> {
  const body = { supervisor: by.agentId, taskType, description: "x", ...more };
  const { code, json } = await host.ask("POST", "/tasks", { headers: by.headers, body });
  expect(code).toBe("accepted");
  return json.taskId;
}

beforeAll(async () => {
  host = await startGuardedHost();
  [lead, other, worker] = [await party("supervisor"), await party("supervisor"), await party("worker")];
  const nobody = { requiredCapabilities: ["rare"] };
  ids.waiting = await assign(lead, "index", nobody);
  ids.more = await assign(lead, "index", nobody);
  ids.held = await assign(lead, "build", { assignTo: worker.agentId });
  ids.foreign = await assign(other, "index", nobody);
});
afterAll(() => host.stop());

describe("GET /tasks", () => {
  const listed = async ({ headers }: Party, query: string) => {
    const { status, json } = await host.ask("GET", `/tasks${query}`, { headers });
    expect(status).toBe(200);
    return json.tasks.map(({ taskId }: { taskId: string }) => taskId).sort();
  };
  const of = (...names: string[]) => names.map((name) => ids[name]).sort();

  it("gives a supervisor what it assigned, by its filters", async () => {
    expect(await listed(lead, "")).toEqual(of("waiting", "more", "held"));
    expect(await listed(lead, `?supervisor=${lead.agentId}`)).toEqual(of("waiting", "more", "held"));
    expect(await listed(lead, "?taskType=index")).toEqual(of("waiting", "more"));
    expect(await listed(lead, `?assignedTo=${worker.agentId}`)).toEqual(of("held"));
    expect(await listed(lead, "?status=completed")).toEqual([]);
    expect(await listed(other, "")).toEqual(of("foreign"));
  });

  it("gives a worker what it was given, by its filters", async () => {
    expect(await listed(worker, "")).toEqual(of("held"));
    expect(await listed(worker, `?taskType=build&supervisor=${lead.agentId}`)).toEqual(of("held"));
    expect(await listed(worker, "?taskType=index")).toEqual([]);
  });

  it("goes on page by page", async () => {
    const first = await host.ask("GET", "/tasks?limit=2", { headers: lead.headers });
    expect(first.json.tasks).toHaveLength(2);
    const second = await host.ask("GET", `/tasks?limit=2&cursor=${first.json.nextCursor}`, { headers: lead.headers });
    expect([...first.json.tasks, ...second.json.tasks].map(({ taskId }) => taskId).sort()).toEqual(
      of("waiting", "more", "held"),
    );
    expect(second.json.nextCursor).toBeNull();
  });

  it("refuses a list of another's", async () => {
    expect((await host.ask("GET", `/tasks?supervisor=${other.agentId}`, { headers: lead.headers })).code).toBe(
      "FORBIDDEN",
    );
    expect((await host.ask("GET", `/tasks?assignedTo=${lead.agentId}`, { headers: worker.headers })).code).toBe(
      "FORBIDDEN",
    );
  });
});

describe("a settlement of what the caller does not hold", () => {
  it("reads the same, whether it exists or not, and says what that may mean", async () => {
    const stranger = await party("worker");
    const complete = async (taskId: string) => {
      const body = { agentId: stranger.agentId, attempt: 1 };
      const { json } = await host.ask("POST", `/tasks/${taskId}/complete`, { headers: stranger.headers, body });
      return json;
    };
    const [held, missing] = [await complete(ids.held ?? ""), await complete("no-such-task")];
    expect(held).toMatchObject({
      code: "LEASE_LOST",
      detail: "The caller does not hold this attempt: another agent holds it, it has ended, or it never existed.",
    });
    expect([missing.code, missing.detail]).toEqual([held.code, held.detail]);
  });
});

describe("GET /usage", () => {
  const read = async ({ headers }: { headers: Record<string, string> }, query: string) =>
    host.ask("GET", `/usage${query}`, { headers });
  const inputs = ({ json }: { json: { usage: { inputTokens: number }[] } }) =>
    json.usage.map(({ inputTokens }) => inputTokens);

  beforeAll(async () => {
    const usage = [{ model: "m", inputTokens: 11, outputTokens: 0 }];
    const body = { agentId: worker.agentId, attempt: 1, usage };
    const report = (by: Party) =>
      host.ask("POST", `/tasks/${ids.held}/usage`, { headers: by.headers, body: { ...body, agentId: by.agentId } });
    expect((await report(worker)).code).toBe("accepted");
    expect((await report({ ...worker, agentId: lead.agentId })).code).toBe("FORBIDDEN");
    expect((await report(lead)).code).toBe("FORBIDDEN");
    expect((await report(await party("worker"))).code).toBe("LEASE_LOST");
  });

  it("gives a supervisor what its tasks have used", async () => {
    expect(inputs(await read(lead, ""))).toEqual([11]);
    expect(inputs(await read(lead, `?supervisor=${lead.agentId}&by=agent,model`))).toEqual([11]);
    expect(inputs(await read(other, ""))).toEqual([]);
    expect((await read(lead, `?supervisor=${other.agentId}`)).code).toBe("FORBIDDEN");
  });

  it("gives observers and admins all, and workers nothing", async () => {
    for (const role of ["observer", "admin"] as const) {
      const { token } = await host.agent(role);
      expect(inputs(await read({ headers: bearer(token) }, `?supervisor=${lead.agentId}`))).toEqual([11]);
    }
    expect((await read(worker, "")).code).toBe("FORBIDDEN");
  });
});
