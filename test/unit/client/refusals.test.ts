import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type Clock, systemClock } from "../../../src/lib/model/clock.ts";

/** What the client does with answers that a healthy service seldom gives. The server here only plays back answers. */

type Answer = (response: ServerResponse) => void;

interface Playback {
  baseUrl: string;
  requests: { method: string; url: string; body: string }[];
  close(): Promise<void>;
}

let playback: Playback | undefined;
afterEach(async () => {
  await playback?.close();
  playback = undefined;
});

/** Gives the answers in turn, the last one for ever. */
async function play(...answers: Answer[]): Promise<Playback> {
  const requests: Playback["requests"] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push({ method: request.method ?? "", url: request.url ?? "", body });
    answer?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  playback = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return playback;
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/problem+json", ...headers });
    response.end(JSON.stringify({ status, code, detail: `says ${code}`, errors: [{ path: "a.b", message: "no" }] }));
  };
}

function json(body: unknown, status = 200): Answer {
  return (response) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** A clock whose waits take no time, and are remembered. */
function quickClock(): { clock: Clock; waits: number[] } {
  let now = 1_750_000_000_000;
  const waits: number[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: systemClock.after,
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      now += milliseconds;
    },
  };
  return { clock, waits };
}

async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("refusals and repeats", () => {
  it("waits as long as Retry-After says, then repeats with the same id", async () => {
    const { baseUrl, requests } = await play(
      problem(503, "STORE_UNAVAILABLE", { "retry-after": "2" }),
      problem(429, "MAILBOX_FULL", { "retry-after": "3" }),
      json({ messageId: "m", duplicate: false }, 202),
    );
    const { clock, waits } = quickClock();
    const client = new AgentClient({ baseUrl, clock });
    await client.sendMessage({ sender: "a", receiver: "b", type: "query" });
    expect(waits).toHaveLength(2);
    expect(waits[0]).toBeGreaterThanOrEqual(2_000);
    expect(waits[0]).toBeLessThanOrEqual(2_100);
    expect(waits[1]).toBeGreaterThanOrEqual(3_000);
    expect(waits[1]).toBeLessThanOrEqual(3_200);
    const ids = requests.map(({ body }) => JSON.parse(body).messageId);
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(ids).size).toBe(1);
  });

  it("does not begin a wait that would outlast its budget", async () => {
    const { baseUrl, requests } = await play(problem(429, "RATE_LIMITED", { "retry-after": "60" }));
    const { clock, waits } = quickClock();
    const client = new AgentClient({ baseUrl, clock, retryBudgetMilliseconds: 10_000 });
    const error = await thrownBy(client.getTask("t"));
    expect(error).toMatchObject({ code: "RATE_LIMITED", retryAfterSeconds: 60, message: "says RATE_LIMITED" });
    expect(requests).toHaveLength(1);
    expect(waits).toEqual([]);
  });

  it("spends its budget on growing waits with jitter, and then gives the last answer", async () => {
    const { baseUrl, requests } = await play(problem(503, "STORE_UNAVAILABLE"));
    const { clock, waits } = quickClock();
    const client = new AgentClient({ baseUrl, clock, retryBudgetMilliseconds: 20_000 });
    expect(await thrownBy(client.getTask("t"))).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(requests.length).toBe(waits.length + 1);
    expect(waits.length).toBeGreaterThan(4);
    for (const [index, wait] of waits.entries()) expect(wait).toBeLessThanOrEqual(Math.min(5_000, 100 * 2 ** index));
    expect(waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(20_000);
  });

  for (const [status, code] of [
    [400, "INVALID_REQUEST"],
    [409, "LEASE_LOST"],
    [422, "IDEMPOTENCY_MISMATCH"],
    [500, "INTERNAL"],
  ] as const) {
    it(`does not repeat after ${status} ${code}`, async () => {
      const { baseUrl, requests } = await play(problem(status, code));
      const error = await thrownBy(new AgentClient({ baseUrl }).getTask("t"));
      expect(error).toMatchObject({ code, status, errors: [{ path: "a.b", message: "no" }] });
      expect(requests).toHaveLength(1);
    });
  }

  it("repeats when a gateway could not reach the service", async () => {
    const gateway: Answer = (response) => response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad</h1>");
    const { baseUrl, requests } = await play(gateway, json({ taskId: "t" }));
    const { clock } = quickClock();
    expect(await new AgentClient({ baseUrl, clock }).getTask("t")).toEqual({ taskId: "t" });
    expect(requests).toHaveLength(2);
  });

  it("repeats when the Functions host lost its worker, which it says with an empty 500", async () => {
    const lost: Answer = (response) => response.writeHead(500).end();
    const { baseUrl, requests } = await play(lost, json({ taskId: "t" }));
    const { clock } = quickClock();
    expect(await new AgentClient({ baseUrl, clock }).getTask("t")).toEqual({ taskId: "t" });
    expect(requests).toHaveLength(2);
  });

  it("reads answers without a problem document by their status", async () => {
    const { baseUrl } = await play((response) => response.writeHead(404).end());
    expect(await thrownBy(new AgentClient({ baseUrl }).getTask("t"))).toMatchObject({ code: "NOT_FOUND" });
  });

  it("reads a code that it does not know by its status", async () => {
    const { baseUrl } = await play(problem(403, "SOMETHING_NEWER"));
    expect(await thrownBy(new AgentClient({ baseUrl }).getTask("t"))).toMatchObject({
      code: "FORBIDDEN",
      message: "says SOMETHING_NEWER",
    });
  });

  it("refuses a success that is not JSON", async () => {
    const { baseUrl } = await play((response) => response.writeHead(200).end("<html>"));
    expect(await thrownBy(new AgentClient({ baseUrl }).getTask("t"))).toMatchObject({ code: "INTERNAL" });
  });

  it("takes a try that hangs for a lost connection, and repeats it", async () => {
    const { baseUrl, requests } = await play(() => undefined, json({ taskId: "t" }));
    const client = new AgentClient({ baseUrl, requestTimeoutMilliseconds: 100 });
    expect(await client.getTask("t")).toEqual({ taskId: "t" });
    expect(requests).toHaveLength(2);
  });

  it("gives the report of an unhealthy service instead of repeating", async () => {
    const report = { status: "unhealthy", checks: { databaseConnection: false } };
    const { baseUrl, requests } = await play(json(report, 503));
    expect(await new AgentClient({ baseUrl }).health()).toEqual(report);
    expect(requests).toHaveLength(1);
  });

  it("ends at once when its signal aborts: before, during a try, during a wait", async () => {
    const reason = new Error("enough");
    const { baseUrl, requests } = await play(
      () => undefined,
      problem(503, "STORE_UNAVAILABLE", { "retry-after": "20" }),
    );
    const client = new AgentClient({ baseUrl });
    expect(await thrownBy(client.getTask("t", { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(requests).toHaveLength(0);
    for (let tries = 1; tries <= 2; tries++) {
      const controller = new AbortController();
      const call = thrownBy(client.getTask("t", { signal: controller.signal }));
      while (requests.length < tries) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort(reason);
      expect(await call).toBe(reason);
    }
    expect(requests).toHaveLength(2);
  });

  it("sends its token, and keeps ids inside their part of the path", async () => {
    const { baseUrl, requests } = await play(json({}));
    const seen: (string | null)[] = [];
    const client = new AgentClient({
      baseUrl: `${baseUrl}/`,
      token: "agt_x",
      fetch: (url, init) => {
        seen.push(new Headers(init.headers).get("authorization"));
        return fetch(url, init);
      },
    });
    await client.getTask("a/../b?c#d");
    expect(seen).toEqual(["Bearer agt_x"]);
    expect(requests[0]?.url).toBe("/api/tasks/a%2F..%2Fb%3Fc%23d");
    for (const id of ["", ".", ".."])
      expect(await thrownBy(client.getTask(id))).toMatchObject({ code: "INVALID_REQUEST" });
    expect(requests).toHaveLength(1);
  });

  it("refuses a base URL that is none, and a body that is no JSON", async () => {
    expect(() => new AgentClient({ baseUrl: "localhost:7071" })).toThrow("baseUrl");
    expect(() => new AgentClient({ baseUrl: "nonsense" })).toThrow("baseUrl");
    const { baseUrl } = await play(json({}));
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const call = new AgentClient({ baseUrl }).completeTask("t", { agentId: "a", attempt: 1, result: cycle as never });
    expect(await thrownBy(call)).toMatchObject({ code: "INVALID_REQUEST" });
  });
});

describe("values that JSON would change", () => {
  it("are looked for without a stumble over what throws when it is looked at", async () => {
    const { baseUrl, requests } = await play(json({}, 202));
    const client = new AgentClient({ baseUrl });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const payload = { proxy } as unknown as null;
    const sent = client.sendMessage({ sender: "a", receiver: "b", type: "query", payload });
    await expect(sent).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: "The body cannot be written as JSON.",
    });
    expect(requests).toEqual([]);
  });

  it.each([
    ["a bigint", 12n],
    ["an integer that is not exact", 2 ** 63],
    ["no number", Number.NaN],
    ["a map", new Map([["a", 1]])],
    ["a promise that was not awaited", Promise.resolve(1)],
  ])("%s is refused before anything is sent, at its place", async (_name, n) => {
    const { baseUrl, requests } = await play(json({}, 202));
    const client = new AgentClient({ baseUrl });
    const body: object = { sender: "a", receiver: "b", type: "query", payload: { list: [1, { n }] } };
    const sent = client.call("POST /messages", { body: body as Parameters<typeof client.sendMessage>[0] });
    await expect(sent).rejects.toMatchObject({ code: "INVALID_REQUEST", errors: [{ path: "payload.list.1.n" }] });
    expect(requests).toEqual([]);
  });
});
