import { getEventListeners } from "node:events";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient, type AgentClientOptions, isUnreachable, Worker } from "../../../src/client/index.ts";
import { type Clock, systemClock } from "../../../src/lib/model/clock.ts";
import {
  assignment,
  beat,
  handOut,
  refusal,
  type Switchboard,
  send,
  startSwitchboard,
} from "./scripted-switchboard.ts";

const thrownBy = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );
const UUID = /^[0-9a-f-]{36}$/;

describe("what goes wrong on the wire", () => {
  let switchboard: Switchboard;
  let elsewhere: Switchboard;
  beforeEach(async () => {
    switchboard = await startSwitchboard();
    elsewhere = await startSwitchboard();
  });
  afterEach(async () => {
    await switchboard.close();
    await elsewhere.close();
  });
  const clientWith = (options: Partial<AgentClientOptions> = {}) =>
    new AgentClient({ baseUrl: switchboard.baseUrl, ...options });

  for (const status of [300, 301, 302, 303, 307, 308]) {
    it(`takes a ${status} for an error, and carries no token and no request elsewhere`, async () => {
      switchboard.on("/messages", (_asked, response) =>
        response.writeHead(status, { location: `${elsewhere.baseUrl}/messages?secret=1` }).end(),
      );
      const client = clientWith({ token: "agt_x" });
      const error = await thrownBy(client.sendMessage({ sender: "a", receiver: "b", type: "query", messageId: "m-1" }));
      expect(isUnreachable(error)).toBe(true);
      expect(error).toMatchObject({
        message: expect.stringContaining(`${elsewhere.origin} (${status})`),
        ids: { messageId: "m-1" },
      });
      expect(String(error)).not.toContain("secret");
      expect([switchboard.asked.length, elsewhere.asked.length]).toEqual([1, 0]);
    });
  }

  it("refuses an answer that a fetch of one's own was redirected to", async () => {
    const follow: AgentClientOptions["fetch"] = (url, init) => fetch(url, { ...init, redirect: "follow" });
    switchboard.on("/tasks/t", (_asked, response) => response.writeHead(302, { location: elsewhere.baseUrl }).end());
    expect(isUnreachable(await thrownBy(clientWith({ fetch: follow }).getTask("t")))).toBe(true);
  });

  it("tries three times on connections that are dead without saying so", async () => {
    switchboard.on("/tasks/t", () => undefined);
    const error = await thrownBy(clientWith({ retryBudgetMilliseconds: 600 }).getTask("t"));
    expect(isUnreachable(error)).toBe(true);
    expect(switchboard.asked.length).toBeGreaterThanOrEqual(2);
    expect(String(error)).toContain("no answer within 200 ms");
  });

  it("gives a route that is not repeated its whole time", async () => {
    switchboard.on("/redrive", (_asked, response) => setTimeout(() => send(response, { count: 1 }), 250));
    const client = clientWith({ retryBudgetMilliseconds: 300, requestTimeoutMilliseconds: 5_000 });
    expect(await client.redriveDeadLetters({ messageIds: ["m"] })).toEqual({ count: 1 });
  });

  it("does not cut off a long poll by a shorter request timeout", async () => {
    switchboard.on("/receive", (_asked, response) => setTimeout(() => send(response, { messages: [] }), 700));
    const client = clientWith({ requestTimeoutMilliseconds: 300 });
    await client.receiveMessages("a", { waitSeconds: 1 });
    await client.receiveFromChannel("c", { agentId: "a", waitSeconds: 1 });
    expect(switchboard.asked).toHaveLength(2);
    for (const { body } of switchboard.asked) expect(body.claimId).toMatch(UUID);
    switchboard.on("/tasks/t", (_asked, response) => setTimeout(() => send(response, { version: 1 }), 700));
    await client.watchTask("t", { afterVersion: 1, waitSeconds: 1 });
    expect(switchboard.asked).toHaveLength(3);
  });

  it("keeps the ids that it made in the error, in its text as well", async () => {
    switchboard.on("", (_asked, response) => response.destroy());
    const client = clientWith({ retryBudgetMilliseconds: 0 });
    const message = { sender: "a", receiver: "b", type: "query" };
    const sent: unknown = await thrownBy(client.sendMessage(message));
    const id = switchboard.asked[0]?.body.messageId;
    expect(sent).toMatchObject({ ids: { messageId: id }, message: expect.stringContaining(`messageId ${id}`) });
    await expect(client.assignTask({ supervisor: "a", taskType: "t" })).rejects.toMatchObject({
      ids: { taskId: expect.stringMatching(UUID) },
    });
    await expect(client.receiveMessages("a")).rejects.toMatchObject({ ids: { claimId: expect.stringMatching(UUID) } });
    await expect(client.sendMessages([message, { ...message, messageId: "own" }])).rejects.toMatchObject({
      ids: { messageIds: [expect.stringMatching(UUID), "own"] },
    });
    await expect(client.registerAgent({ agentId: "a", role: "worker" })).rejects.toMatchObject({
      ids: { idempotencyKey: expect.stringMatching(UUID) },
    });
    switchboard.on("/messages", refusal(503, "STORE_UNAVAILABLE"));
    await expect(client.sendMessage(message)).rejects.toMatchObject({
      ids: { messageId: expect.stringMatching(UUID) },
    });
    switchboard.on("/messages", (_asked, response) => response.end("<html>"));
    await expect(client.sendMessage(message)).rejects.toMatchObject({
      code: "INTERNAL",
      ids: { messageId: expect.any(String) },
    });
  });

  it("asks a token provider again that fails, hangs or gives what is no token, and asks in every try", async () => {
    const given: (() => unknown)[] = [
      () => {
        throw Object.create(null);
      },
      () => new Promise(() => undefined),
      () => undefined,
      () => "two words",
      () => "first\n",
      () => "second",
    ];
    let calls = 0;
    const token = () => given[calls++]?.() as string;
    switchboard.on("/tasks/t", (_asked, response) =>
      switchboard.asked.length === 1 ? response.destroy() : send(response, { taskId: "t" }),
    );
    const client = clientWith({ token, requestTimeoutMilliseconds: 500 });
    await client.getTask("t");
    expect(switchboard.asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer first", "Bearer second"]);
  });

  it("says that no token could be had, and never shows what was given", async () => {
    const failing = clientWith({
      token: () => Promise.reject(new Error("vault sealed")),
      retryBudgetMilliseconds: 200,
    });
    const error = await thrownBy(failing.getTask("t"));
    expect(error).toMatchObject({ code: "IDENTITY_UNAVAILABLE", message: expect.stringContaining("vault sealed") });
    const garbage = await thrownBy(
      clientWith({ token: () => "agt_secret x", retryBudgetMilliseconds: 0 }).getTask("t"),
    );
    expect(garbage).toMatchObject({ code: "IDENTITY_UNAVAILABLE", message: expect.not.stringContaining("secret") });
    const fixed = await thrownBy(clientWith({ token: "agt_secret\nx" }).getTask("t"));
    expect(fixed).toMatchObject({ code: "INVALID_REQUEST", message: expect.not.stringContaining("secret") });
    expect(switchboard.asked).toEqual([]);
  });

  it("reads a Retry-After that is a date by the service's own clock", async () => {
    const waits: number[] = [];
    const clock: Clock = { ...systemClock, sleep: async (milliseconds) => void waits.push(milliseconds) };
    const at = Date.UTC(2001, 0, 1);
    const headers = { date: new Date(at).toUTCString(), "retry-after": new Date(at + 4_000).toUTCString() };
    let calls = 0;
    switchboard.on("/tasks/t", (asked, response) =>
      calls++ === 0 ? refusal(503, "STORE_UNAVAILABLE", headers)(asked, response) : send(response, { taskId: "t" }),
    );
    await clientWith({ clock }).getTask("t");
    expect(waits).toHaveLength(1);
    expect(waits[0]).toBeGreaterThanOrEqual(4_000);
    expect(waits[0]).toBeLessThanOrEqual(4_100);
  });

  it("puts one listener on a signal that many calls share, and leaves none", async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.name);
    process.on("warning", note);
    const { signal } = new AbortController();
    const calls = Array.from({ length: 30 }, () => clientWith().getTask("t", { signal }));
    const waits = Array.from({ length: 30 }, () => systemClock.sleep(50, signal));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await Promise.all([...calls, ...waits]);
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener("warning", note);
    expect([getEventListeners(signal, "abort").length, warnings]).toEqual([0, []]);
  });

  it("ends with its time, and with its signal, even if fetch ignores the signal", async () => {
    const client = clientWith({
      fetch: () => new Promise(() => undefined),
      retryBudgetMilliseconds: 0,
      requestTimeoutMilliseconds: 50,
    });
    expect(isUnreachable(await thrownBy(client.getTask("t")))).toBe(true);
    const signal = AbortSignal.timeout(30);
    const patient = clientWith({ fetch: () => new Promise(() => undefined) });
    expect(await thrownBy(patient.getTask("t", { signal }))).toBe(signal.reason);
  });

  it("does not read an answer without an end, as it comes or packed", async () => {
    const client = new AgentClient({ baseUrl: switchboard.baseUrl });
    switchboard.on("/agents/a", (_asked, response) => {
      const blanks = Buffer.alloc(1024 * 1024, " ");
      const write = () => {
        while (!response.destroyed && response.write(blanks));
      };
      response.writeHead(200, { "content-type": "application/json" }).on("drain", write);
      write();
    });
    const packed = gzipSync(Buffer.alloc(40 * 1024 * 1024, " "));
    switchboard.on("/agents/b", (_asked, response) => {
      const headers = { "content-encoding": "gzip", "content-length": String(packed.length) };
      response.writeHead(200, headers).end(packed);
    });
    const announced = Buffer.alloc(33 * 1024 * 1024, " ");
    switchboard.on("/agents/c", (_asked, response) => response.writeHead(200).end(announced));
    for (const id of ["a", "b", "c"]) {
      await expect(client.getAgent(id)).rejects.toThrow("the answer has more than 33554432 bytes");
      expect(switchboard.to(`/agents/${id}`)).toHaveLength(1);
    }
    // What is shorter is read, whether it says so or not.
    switchboard.on("/agents/d", (_asked, response) => {
      response.write('{"agentId":"\u00e9');
      response.end('"}');
    });
    expect(await client.getAgent("d")).toEqual({ agentId: "\u00e9" });
  });

  it("does not make a worker that drains ask without a pause, when its polls end at once", async () => {
    handOut(switchboard, assignment("endless"));
    const listed = beat([{ taskId: "endless", attempt: 1 }]);
    switchboard.on("/heartbeat", (_asked, response) => send(response, listed));
    const { promise, resolve } = Promise.withResolvers<void>();
    const worker = new Worker({
      client: new AgentClient({ baseUrl: switchboard.baseUrl }),
      agentId: "w",
      handle: () => {
        resolve();
        return new Promise(() => undefined);
      },
    });
    await worker.start();
    await promise;
    switchboard.on("/receive", (_asked, response) => send(response, { messages: [] }));
    const before = switchboard.to("/receive").length;
    await worker.stop({ graceMilliseconds: 1_000 });
    expect(switchboard.to("/receive").length - before).toBeLessThan(100);
  });
});
