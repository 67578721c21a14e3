import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import type { ErrorCode } from "../../../src/lib/model/errors.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import {
  BATCH_MAX_MESSAGES,
  DESCRIPTION_MAX_BYTES,
  JSON_MAX_DEPTH,
  METADATA_MAX_BYTES,
  NOTE_MAX_BYTES,
  PAYLOAD_MAX_BYTES,
} from "../../../src/lib/model/limits.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { caught } from "../../contract/support.ts";
import { recount, rowsOf } from "../../support/recount.ts";

/** The domain classes as an embedding program calls them: input that never went through HTTP or JSON. */

/** What TypeScript would not let through: a program in JavaScript can. */
// biome-ignore lint/suspicious/noExplicitAny: these tests are about input of any type
type Hostile = any;

let directory = "";
let file = "";
let services: Services;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
  file = join(directory, "agents.db");
  const config = readConfig({ AGENT_MOCK_DATABASE: file });
  services = createServices({ config, clock: systemClock, store: await openStore(config) });
  await services.registry.register({ agentId: "boss", role: "supervisor" });
  await services.registry.register({ agentId: "worker", role: "worker", maxConcurrentTasks: 10 });
});

afterAll(async () => {
  services.messages.close();
  await services.store.close();
  await rm(directory, { recursive: true, force: true });
});

const message = { sender: "boss", receiver: "worker", type: "notification" };
const task = { supervisor: "boss", taskType: "work" };

/** A JSON string value whose text, quotes included, has so many bytes. */
const textOfBytes = (bytes: number) => "x".repeat(bytes - 2);

/** Arrays in arrays, so many deep. */
const nested = (depth: number): JsonValue => JSON.parse("[".repeat(depth) + "]".repeat(depth));

const rows = () =>
  rowsOf(
    file,
    "SELECT (SELECT count(*) FROM messages) AS messages, (SELECT count(*) FROM tasks) AS tasks, (SELECT count(*) FROM agents) AS agents",
  );

/** The code with which `call` was refused, after making sure that it changed nothing. */
async function refusal(call: () => Promise<unknown>): Promise<ErrorCode | "accepted"> {
  const before = rows();
  const code = await caught(call());
  if (code !== "accepted") expect(rows()).toEqual(before);
  return code;
}

describe("sizes", () => {
  it("a payload of exactly 256 KiB is kept and comes back, one byte more is refused", async () => {
    const payload = textOfBytes(PAYLOAD_MAX_BYTES);
    const { messageId } = await services.messages.send({ ...message, payload });
    expect((await services.messages.get(messageId)).payload).toBe(payload);
    expect(await refusal(() => services.messages.send({ ...message, payload: `${payload}x` }))).toBe(
      "PAYLOAD_TOO_LARGE",
    );
  });

  it("bytes are counted, not characters, and escapes as they are written", async () => {
    const umlauts = "ü".repeat((PAYLOAD_MAX_BYTES - 2) / 2);
    const { messageId } = await services.messages.send({ ...message, payload: umlauts });
    expect((await services.messages.get(messageId)).payload).toBe(umlauts);
    expect(await refusal(() => services.messages.send({ ...message, payload: `${umlauts}ü` }))).toBe(
      "PAYLOAD_TOO_LARGE",
    );
    const escapes = "\n".repeat(PAYLOAD_MAX_BYTES / 2);
    expect(await refusal(() => services.messages.send({ ...message, payload: escapes }))).toBe("PAYLOAD_TOO_LARGE");
  });

  it("parameters, results, descriptions, notes and metadata have theirs", async () => {
    const parameters = textOfBytes(PAYLOAD_MAX_BYTES);
    const description = "d".repeat(DESCRIPTION_MAX_BYTES);
    const { taskId, attempt } = await services.coordinator.assign({ ...task, parameters, description });
    expect(await services.coordinator.get(taskId)).toMatchObject({ parameters, description });
    const call = { agentId: "worker", attempt };
    const note = "n".repeat(NOTE_MAX_BYTES);
    const result = textOfBytes(PAYLOAD_MAX_BYTES);
    const { coordinator, registry } = services;
    expect([
      await refusal(() => coordinator.assign({ ...task, parameters: `${parameters}x` })),
      await refusal(() => coordinator.assign({ ...task, description: `${description}x` })),
      await refusal(() => coordinator.progress(taskId, { ...call, note: `${note}x` })),
      await refusal(() => coordinator.fail(taskId, { ...call, error: `${note}x` })),
      await refusal(() => coordinator.complete(taskId, { ...call, result: `${result}x` })),
      await refusal(() =>
        registry.register({ agentId: "big", role: "worker", metadata: { m: "m".repeat(METADATA_MAX_BYTES) } }),
      ),
    ]).toEqual(new Array(6).fill("PAYLOAD_TOO_LARGE"));
    await coordinator.progress(taskId, { ...call, note });
    expect(await coordinator.complete(taskId, { ...call, result })).toMatchObject({ status: "completed" });
    expect(await coordinator.get(taskId)).toMatchObject({ note, result });
    const metadata = { m: "m".repeat(METADATA_MAX_BYTES - '{"m":""}'.length) };
    expect((await registry.register({ agentId: "big", role: "observer", metadata })).agent.metadata).toEqual(metadata);
  });

  it(`a value nested ${JSON_MAX_DEPTH} levels deep is kept, one level more is refused, and so is far more`, async () => {
    const payload = nested(JSON_MAX_DEPTH);
    const { messageId } = await services.messages.send({ ...message, payload });
    expect((await services.messages.get(messageId)).payload).toEqual(payload);
    for (const depth of [JSON_MAX_DEPTH + 1, 5_000]) {
      expect(await refusal(() => services.messages.send({ ...message, payload: nested(depth) }))).toBe(
        "INVALID_REQUEST",
      );
    }
  });

  it("a batch of 100 messages of 40 KiB is kept, 101 are refused", async () => {
    const payload = textOfBytes(40 * 1_024);
    const messages = Array.from({ length: BATCH_MAX_MESSAGES }, (_, n) => ({
      ...message,
      messageId: `large-${n}`,
      payload,
    }));
    const { results } = await services.messages.sendBatch({ messages });
    expect(results.map(({ messageId }) => messageId)).toEqual(messages.map(({ messageId }) => messageId));
    expect(await refusal(() => services.messages.sendBatch({ messages: [...messages, message] }))).toBe(
      "INVALID_REQUEST",
    );
  });

  it("one message that is too large refuses its batch, and names its place", async () => {
    const before = rows();
    const messages = [message, { ...message, payload: textOfBytes(PAYLOAD_MAX_BYTES + 1) }, message];
    await expect(services.messages.sendBatch({ messages })).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      errors: [{ path: "messages.1.payload" }],
    });
    expect(rows()).toEqual(before);
  });
});

describe("nothing where something is needed", () => {
  it.each([
    ["an empty batch", () => services.messages.sendBatch({ messages: [] })],
    ["no settlements", () => services.messages.settle({ agentId: "worker", settlements: [] })],
    ["an empty type list", () => services.messages.receive("worker", { types: [] })],
    ["no dead letters selected", () => services.deadLetters.redrive({ messageIds: [] })],
    ["neither ids nor filter", () => services.deadLetters.purge({})],
    ["undefined", () => services.messages.send(undefined as Hostile)],
    ["null", () => services.coordinator.assign(null as Hostile)],
    ["an empty object", () => services.registry.register({} as Hostile)],
    ["a string", () => services.messages.sendBatch("[]" as Hostile)],
    ["an array", () => services.coordinator.assign([] as Hostile)],
  ])("%s is refused", async (_, call) => {
    expect(await refusal(call)).toBe("INVALID_REQUEST");
  });
});

describe("ids", () => {
  const hostile: readonly Hostile[] = [
    "",
    " ",
    "a b",
    "a/b",
    "../a",
    "-a",
    ".a",
    "a\u0000",
    "a\n",
    "é",
    "Ａ",
    "💥",
    "\ud800",
    "a".repeat(129),
    "a".repeat(1_000_000),
    "'; DROP TABLE agents; --",
    null,
    undefined,
    0,
    -0,
    Number.NaN,
    1n,
    true,
    Symbol("a"),
    ["a"],
    { toString: () => "worker" },
    () => "worker",
    new Date(0),
  ];

  it.each(hostile.map((id) => [typeof id === "string" ? JSON.stringify(id).slice(0, 40) : String(id as unknown), id]))(
    "%s is none, wherever one is asked for",
    async (_, id) => {
      const { registry, messages, coordinator, deadLetters } = services;
      const calls: (() => Promise<unknown>)[] = [
        () => registry.get(id),
        () => registry.register({ agentId: id, role: "worker" }),
        () => registry.heartbeat(id),
        () => registry.deregister(id),
        () => messages.get(id),
        () => messages.send({ ...message, receiver: id }),
        () => messages.send({ ...message, sender: id }),
        () => messages.receive(id),
        () => messages.peek(id),
        () => messages.complete(id, { agentId: "worker", attempt: 1 }),
        () => messages.renew("m", { agentId: id, attempt: 1 }),
        () => messages.settle({ agentId: "worker", settlements: [{ messageId: id, attempt: 1, outcome: "complete" }] }),
        () => coordinator.get(id),
        () => coordinator.assign({ ...task, supervisor: id }),
        () => coordinator.assign({ ...task, dependsOn: [id] }),
        () => coordinator.assign({ ...task, requiredCapabilities: [id] }),
        () => coordinator.start(id, { agentId: "worker", attempt: 1 }),
        () => coordinator.cancel(id),
        () => coordinator.history(id),
        () => deadLetters.redrive({ messageIds: [id] }),
      ];
      const isCapability = id === "a/b";
      for (const [index, call] of calls.entries()) {
        const expected = isCapability && index === 15 ? "accepted" : "INVALID_REQUEST";
        expect({ index, code: await refusal(call) }).toEqual({ index, code: expected });
      }
    },
  );
});

describe("values that JSON cannot carry", () => {
  class Custom {
    a = 1;
  }
  const circle: Record<string, unknown> = {};
  circle.self = circle;

  it.each([
    ["NaN", Number.NaN],
    ["Infinity", Number.POSITIVE_INFINITY],
    ["a bigint", 1n],
    ["a function", () => 1],
    ["a symbol", Symbol("a")],
    ["a Date", new Date(0)],
    ["a Map", new Map([[1, 2]])],
    ["a class", new Custom()],
    ["a buffer", Buffer.from("a")],
    ["a circle", circle],
    ["something undefined inside", { a: undefined }],
    ["a hole", new Array(2)],
    ["a toJSON of its own", { toJSON: () => "other" }],
    ["something deep inside", { a: [{ b: [Number.NaN] }] }],
  ])("%s is refused as a payload, parameters, result and metadata", async (_, value: Hostile) => {
    const { messages, coordinator, registry } = services;
    const calls = [
      () => messages.send({ ...message, payload: value }),
      () => messages.send({ ...message, payload: [value] }),
      () => coordinator.assign({ ...task, parameters: { value } }),
      () => coordinator.preview({ ...task, parameters: value }),
      () => coordinator.complete("t", { agentId: "worker", attempt: 1, result: value }),
      () => registry.register({ agentId: "a", role: "worker", metadata: { value } }),
    ];
    for (const [index, call] of calls.entries()) {
      expect({ index, code: await refusal(call) }).toEqual({ index, code: "INVALID_REQUEST" });
    }
  });

  it("what JSON can carry comes back as it was, however odd", async () => {
    const odd: JsonValue[] = [
      "",
      "\u0000",
      "\ufeff\u202e💥e\u0301",
      "\\u0000 \"quotes\" 'and' `ticks`",
      0,
      1e308,
      5e-324,
      Number.MAX_SAFE_INTEGER,
      { "": { "": [] } },
      { "a.b": 1, "a\u0000b": 2, toString: 3, constructor: { prototype: 4 } },
      JSON.parse('{"__proto__":{"polluted":true},"a":1}'),
      [null, [null, [null]]],
    ];
    for (const payload of odd) {
      const { messageId } = await services.messages.send({ ...message, payload });
      expect((await services.messages.get(messageId)).payload).toEqual(payload);
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe("absurd numbers", () => {
  const { MAX_SAFE_INTEGER, POSITIVE_INFINITY, NaN: notANumber } = Number;

  it.each([-1, 1.5, notANumber, POSITIVE_INFINITY, MAX_SAFE_INTEGER, "1", null, 1n] as Hostile[])(
    "%p is refused",
    async (n) => {
      const { messages, coordinator, registry, deadLetters } = services;
      const calls: (() => Promise<unknown>)[] = [
        () => messages.send({ ...message, maxAttempts: n }),
        () => messages.receive("worker", { maxMessages: n }),
        () => messages.complete("m", { agentId: "worker", attempt: n }),
        () => coordinator.assign({ ...task, maxRetries: n }),
        () => coordinator.start("t", { agentId: "worker", attempt: n }),
        () => registry.register({ agentId: "a", role: "worker", maxConcurrentTasks: n }),
        () => registry.heartbeat("worker", { maxConcurrentTasks: n }),
      ];
      // A page's limit comes from a query, so there a text of digits counts.
      if (n !== "1" && n !== 1n)
        calls.push(
          () => deadLetters.list({ limit: n }),
          () => coordinator.list({ limit: n }),
        );
      for (const [index, call] of calls.entries()) {
        expect({ n, index, code: await refusal(call) }).toEqual({ n, index, code: "INVALID_REQUEST" });
      }
    },
  );
});

describe("numbers that JSON would change", () => {
  it.each([
    [2 ** 63, "payload.order.id"],
    [Number.NaN, "payload.order.id"],
    [12n, "payload.order.id"],
  ] as [Hostile, string][])("%p is refused at its place, in embedded use as well", async (id, place) => {
    const { messages } = services;
    await expect(messages.send({ ...message, payload: { order: { id } } })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      errors: [{ path: place }],
    });
  });
});

describe("after all that", () => {
  it("every counter equals its rows and the store is healthy", async () => {
    expect(recount(file)).toEqual([]);
    expect(await services.monitor.health()).toMatchObject({ checks: { databaseConnection: true } });
  });
});
