import { chmod, rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import { PAYLOAD_MAX_BYTES } from "../../../src/lib/model/limits.ts";
import type { SendMessageInput } from "../../../src/lib/model/message.ts";
import { caught, only } from "../../contract/support.ts";
import { EncryptedServices } from "../../support/encrypted-services.ts";

/** Sensitive payloads: plain to their readers, encrypted in the store, and never delivered as anything else than what was sent. */

const SECOND = 1_000;
const SECRET = "squeamish-ossifrage";

let under: EncryptedServices;
beforeEach(async () => {
  under = await EncryptedServices.start();
  for (const agentId of ["a", "b"]) await under.services.registry.register({ agentId, role: "worker" });
});
afterEach(() => under.stop());

const messages = () => under.services.messages;

function send(more: Partial<SendMessageInput> = {}, idempotencyKey?: string) {
  const message = { sender: "a", receiver: "b", type: "query", sensitive: true, payload: SECRET, ...more };
  return messages().send(message, { idempotencyKey });
}

async function receive(maxMessages = 10) {
  return (await messages().receive("b", { maxMessages })).messages;
}

const stored = (messageId: string) =>
  only(
    under.rows(
      `SELECT payload, key_version, request_hash, attempt_limit FROM messages JOIN message_bodies USING (arrival)
       WHERE message_id = ?`,
      messageId,
    ),
  );

describe("a sensitive message", () => {
  it("is plain to whoever reads it, says that it is sensitive, and shows nothing of how it is kept", async () => {
    const payload = { text: SECRET, deep: [1, null, { ü: "\u2028" }] };
    const { messageId } = await send({ payload });
    const seen = { messageId, payload, sensitive: true };
    const read = await messages().get(messageId);
    const peeked = only((await messages().peek("b")).messages);
    const leased = only(await receive());
    await messages().deadLetter(messageId, { agentId: "b", attempt: 1 });
    const dead = only((await under.services.deadLetters.list({ receiver: "b" })).messages);
    for (const message of [read, peeked, leased, dead]) {
      expect(message).toMatchObject(seen);
      expect(Object.keys(message).filter((name) => /key|undecryptable/i.test(name))).toEqual([]);
    }
  });

  it("is an envelope in the store, with a hash that nobody can guess against", async () => {
    const { messageId } = await send();
    const row = stored(messageId);
    expect(row.payload).toMatch(/^"e1\.[0-9a-f]{32}\.[\w-]{43}\.[\w-]{16}\.[\w-]+\.[\w-]{22}"$/);
    expect(String(row.payload)).toContain(`e1.${row.key_version}.`);
    expect(row.request_hash).toMatch(new RegExp(`^k1\\.${row.key_version}\\.[\\w-]{22}$`));
    expect(await under.holds(SECRET)).toBe(false);
  });

  it.each<[string, JsonValue]>([
    ["null", null],
    ["a number", 1.5],
    ["a text that looks like an envelope", "e1.00.a.b.c.d"],
    ["the largest payload", "x".repeat(PAYLOAD_MAX_BYTES - 2)],
  ])("may hold %s", async (_, payload) => {
    const { messageId } = await send({ payload });
    expect((await messages().get(messageId)).payload).toEqual(payload);
    expect(only(await receive()).payload).toEqual(payload);
  });

  it("is limited as a plain one is", async () => {
    const payload = "x".repeat(PAYLOAD_MAX_BYTES - 1);
    expect(await caught(send({ payload }))).toBe("PAYLOAD_TOO_LARGE");
  });

  it("is checked against the schema of its type before it is encrypted", async () => {
    await under.services.messageTypes.put("order", { schema: { type: "object", required: ["n"] } });
    expect(await caught(send({ type: "order", payload: { m: 1 } }))).toBe("SCHEMA_MISMATCH");
    expect(await caught(send({ type: "order", payload: { n: 1 } }))).toBe("accepted");
  });

  it("may stand in a batch with others", async () => {
    const base = { sender: "a", receiver: "b", type: "query" };
    const batch = [
      { ...base, payload: "plain" },
      { ...base, payload: SECRET, sensitive: true },
      { ...base, payload: "also plain", sensitive: false },
    ];
    await messages().sendBatch({ messages: batch });
    const received = await receive();
    expect(received.map(({ payload, sensitive }) => [payload, sensitive])).toEqual([
      ["plain", undefined],
      [SECRET, true],
      ["also plain", undefined],
    ]);
    expect(
      under.rows("SELECT key_version IS NOT NULL AS e FROM message_bodies ORDER BY arrival").map(({ e }) => e),
    ).toEqual([0, 1, 0]);
  });
});

describe("a sensitive post", () => {
  beforeEach(async () => {
    await under.services.channels.create({ name: "news", kind: "broadcast", members: ["a", "b"] });
    await under.services.channels.create({ name: "jobs", kind: "work_queue", members: ["a", "b"] });
  });

  it("is plain to every member, encrypted in every copy, and recognised when it is repeated", async () => {
    const post = { receiver: "#news", messageId: "post-1" };
    expect(await send(post)).toEqual({ messageId: "post-1", duplicate: false });
    expect(await send(post)).toEqual({ messageId: "post-1", duplicate: true });
    await under.services.keyRotation.rotate({ newVersion: true });
    expect(await send(post)).toEqual({ messageId: "post-1", duplicate: true });
    expect(await caught(send({ ...post, payload: "other" }))).toBe("IDEMPOTENCY_MISMATCH");
    for (const agentId of ["a", "b"]) {
      const copy = only((await messages().receive(agentId)).messages);
      expect(copy).toMatchObject({ postId: "post-1", payload: SECRET, sensitive: true });
    }
    expect((await messages().get("post-1")).payload).toBe(SECRET);
    expect(await under.holds(SECRET)).toBe(false);
  });

  it("to a work queue is plain to the member that receives it", async () => {
    await send({ receiver: "#jobs" });
    const received = (await messages().receiveFromChannel("jobs", { agentId: "b" })).messages;
    expect(only(received)).toMatchObject({ payload: SECRET, sensitive: true });
    await rm(under.keyFile);
    await under.restart();
    await send({ receiver: "#jobs", sensitive: undefined, payload: "plain" });
    under.clock.advance(61 * SECOND);
    const later = (await messages().receiveFromChannel("jobs", { agentId: "a", maxMessages: 5 })).messages;
    expect(later.map(({ payload }) => payload)).toEqual(["plain"]);
    expect(await caught(messages().receiveFromChannel("jobs", { agentId: "b" }))).toBe("accepted");
    under.clock.advance(31 * SECOND);
    expect(await caught(messages().receiveFromChannel("jobs", { agentId: "b" }))).toBe("KEY_UNAVAILABLE");
  });
});

describe("a message that is not sensitive", () => {
  it("is kept as it is, whatever it looks like", async () => {
    const payload = "e1.00.a.b.c.d";
    const { messageId } = await send({ sensitive: undefined, payload });
    expect(stored(messageId)).toMatchObject({ payload: JSON.stringify(payload), key_version: null });
    expect(await messages().get(messageId)).not.toHaveProperty("sensitive");
    expect(only(await receive()).payload).toBe(payload);
  });

  it("is encrypted all the same where everything is", async () => {
    await under.restart({ AGENT_ENCRYPT: "all" });
    const { messageId } = await send({ sensitive: undefined });
    expect(stored(messageId).key_version).not.toBeNull();
    expect(only(await receive())).toMatchObject({ payload: SECRET, sensitive: true });
    expect(await under.holds(SECRET)).toBe(false);
  });
});

describe("a repeat of a sensitive message", () => {
  it("is recognised by id and by key, and another body is refused", async () => {
    const first = await send({ messageId: "m-1" });
    expect(await send({ messageId: "m-1" })).toEqual({ messageId: first.messageId, duplicate: true });
    const keyed = await send({}, "key-1");
    expect(await send({}, "key-1")).toEqual({ messageId: keyed.messageId, duplicate: true });
    expect(await caught(send({ messageId: "m-1", payload: "other" }))).toBe("IDEMPOTENCY_MISMATCH");
    expect(await caught(send({ payload: "other" }, "key-1"))).toBe("IDEMPOTENCY_MISMATCH");
    expect(await caught(send({ messageId: "m-1", sensitive: undefined }))).toBe("IDEMPOTENCY_MISMATCH");
  });

  it("is recognised after the key has been rotated, and again after another rotation", async () => {
    const first = await send({ messageId: "m-1" });
    const keyed = await send({}, "key-1");
    for (let round = 0; round < 2; round++) {
      await under.services.keyRotation.rotate({ newVersion: true });
      expect(await send({ messageId: "m-1" })).toEqual({ messageId: first.messageId, duplicate: true });
      expect(await send({}, "key-1")).toEqual({ messageId: keyed.messageId, duplicate: true });
      expect(await caught(send({ messageId: "m-1", payload: "other" }))).toBe("IDEMPOTENCY_MISMATCH");
    }
  });

  it("is recognised in a batch whose messages were sent under different versions, some twice", async () => {
    const one = { sender: "a", receiver: "b", type: "query", payload: SECRET, sensitive: true, messageId: "m-1" };
    const two = { ...one, messageId: "m-2" };
    await messages().send(one);
    await under.services.keyRotation.rotate({ newVersion: true });
    await messages().send(two);
    await under.services.keyRotation.rotate({ newVersion: true });
    const batch = [two, one, { ...one, messageId: "m-3" }, one, { ...two, messageId: "m-3" }];
    const { results } = await messages().sendBatch({ messages: batch });
    expect(results.map(({ messageId, duplicate }) => [messageId, duplicate])).toEqual([
      ["m-2", true],
      ["m-1", true],
      ["m-3", false],
      ["m-1", true],
      ["m-3", true],
    ]);
    const other = { ...one, payload: "other" };
    expect(await caught(messages().sendBatch({ messages: [two, { ...one, messageId: "m-4" }, other] }))).toBe(
      "IDEMPOTENCY_MISMATCH",
    );
    expect(await caught(messages().get("m-4"))).toBe("MESSAGE_NOT_FOUND");
  });

  it("is recognised in a batch, each by its own id, where no message has a key of its own", async () => {
    const one = { sender: "a", receiver: "b", type: "query", payload: "one", sensitive: true, messageId: "m-1" };
    const two = { ...one, payload: "two", messageId: "m-2" };
    await messages().sendBatch({ messages: [one, two] });
    await under.services.keyRotation.rotate({ newVersion: true });
    const { results } = await messages().sendBatch({ messages: [one, two] });
    expect(results).toEqual([
      { messageId: "m-1", duplicate: true },
      { messageId: "m-2", duplicate: true },
    ]);
    const { results: more } = await messages().sendBatch({ messages: [one, { ...two, messageId: "m-3" }] });
    expect(more.map(({ duplicate }) => duplicate)).toEqual([true, false]);
    expect(await send({ payload: "two", messageId: "m-3" })).toEqual({ messageId: "m-3", duplicate: true });
  });

  it("is recognised when meanwhile everything is encrypted, or no longer", async () => {
    await send({ messageId: "m-1", sensitive: undefined });
    await under.restart({ AGENT_ENCRYPT: "all" });
    expect(await send({ messageId: "m-1", sensitive: undefined })).toEqual({ messageId: "m-1", duplicate: true });
    await send({ messageId: "m-2", sensitive: undefined });
    await under.restart();
    expect(await send({ messageId: "m-2", sensitive: undefined })).toEqual({ messageId: "m-2", duplicate: true });
    expect(await caught(send({ messageId: "m-2", sensitive: undefined, payload: "x" }))).toBe("IDEMPOTENCY_MISMATCH");
  });

  it("cannot be told from another body once its key is gone", async () => {
    await send({ messageId: "m-1" });
    await rm(under.keyFile);
    await under.restart();
    expect(await caught(send({ messageId: "m-1" }))).toBe("IDEMPOTENCY_MISMATCH");
  });
});

describe("a message that was tampered with", () => {
  /** Puts the envelope of one message into the other. */
  const swap = () =>
    under.tamper("UPDATE message_bodies SET payload = (SELECT payload FROM message_bodies WHERE message_id = 'm-1')");

  beforeEach(async () => {
    await send({ messageId: "m-1", payload: "one" });
    await send({ messageId: "m-2", payload: "two" });
    swap();
  });

  it("reads as undecryptable, and those beside it as ever", async () => {
    const broken = { messageId: "m-2", payload: null, sensitive: true, undecryptable: true };
    expect(await messages().get("m-2")).toMatchObject(broken);
    const peeked = (await messages().peek("b")).messages;
    expect(peeked).toMatchObject([{ messageId: "m-1", payload: "one" }, broken]);
    expect(peeked[0]).not.toHaveProperty("undecryptable");
  });

  it("is never received: it becomes a dead letter, for people to look at", async () => {
    expect((await receive()).map(({ messageId, payload }) => [messageId, payload])).toEqual([["m-1", "one"]]);
    const dead = only((await under.services.deadLetters.list({ receiver: "b" })).messages);
    expect(dead).toMatchObject({ messageId: "m-2", reason: "UNDECRYPTABLE", payload: null, undecryptable: true });
    expect(await receive()).toEqual([]);
  });

  it("alone in a mailbox leaves it empty", async () => {
    await receive(1);
    expect(await receive(1)).toEqual([]);
    expect(await messages().get("m-2")).toMatchObject({ status: "dead_lettered" });
  });

  it("is not taken for a plain one when only its version is taken away", async () => {
    under.tamper("UPDATE message_bodies SET key_version = NULL WHERE message_id = 'm-1'");
    // Whoever may write to the database may put plain texts there; what was encrypted does not come out of it.
    expect((await messages().get("m-1")).payload).toMatch(/^e1\./);
  });

  it("is undecryptable under any other version, and as something that is no text", async () => {
    await under.services.keyRotation.rotate({ newVersion: true });
    const { key_version: current } = stored("m-1");
    under.tamper("UPDATE message_bodies SET payload = replace(payload, ?, 'ffff')", String(current));
    expect(await messages().get("m-1")).toMatchObject({ undecryptable: true });
    under.tamper("UPDATE message_bodies SET payload = '{\"a\":1}'");
    expect(await messages().get("m-1")).toMatchObject({ payload: null, undecryptable: true });
  });
});

describe("what the switchboard itself says of a sensitive task", () => {
  it.each(["5", "null", "[]", "{}", '{"taskId":1}', '{"taskId":"t-2","parameters":"x"}'])(
    "reads as undecryptable when somebody has made %s of it",
    async (payload) => {
      const { coordinator, registry } = under.services;
      await registry.register({ agentId: "lead", role: "supervisor" });
      await coordinator.assign({ taskId: "t-1", supervisor: "lead", taskType: "work", assignTo: "b", sensitive: true });
      const { messageId } = only((await messages().peek("b")).messages);
      expect(await messages().get(messageId)).toMatchObject({ payload: { taskId: "t-1" }, sensitive: true });
      under.tamper("UPDATE message_bodies SET payload = ?", payload);
      expect(await messages().get(messageId)).toMatchObject({ payload: null, undecryptable: true });
      expect(await receive()).toEqual([]);
      expect(await messages().get(messageId)).toMatchObject({ status: "dead_lettered", reason: "UNDECRYPTABLE" });
    },
  );
});

describe("without the key", () => {
  beforeEach(async () => {
    await send({ messageId: "secret-1", maxAttempts: 1, orderingKey: "k" });
    await send({ messageId: "secret-2" });
    await send({ messageId: "plain", sensitive: undefined, payload: "plain" });
  });

  /** The key file is there, but no process may use it: as if a vault were away. */
  async function takeKeyAway(): Promise<void> {
    await chmod(under.keyFile, 0o644);
    await under.restart();
  }

  it("what needs none goes on, and what needs one is KEY_UNAVAILABLE", async () => {
    await takeKeyAway();
    expect(await caught(send())).toBe("KEY_UNAVAILABLE");
    expect(await caught(messages().get("secret-1"))).toBe("KEY_UNAVAILABLE");
    expect(await caught(messages().peek("b"))).toBe("KEY_UNAVAILABLE");
    expect(await caught(send({ sensitive: undefined }))).toBe("accepted");
    expect((await messages().get("plain")).payload).toBe("plain");
  });

  it("a batch with something sensitive in it is refused whole", async () => {
    await takeKeyAway();
    const base = { sender: "a", receiver: "b", type: "query" };
    const batch = [
      { ...base, messageId: "m-1" },
      { ...base, sensitive: true },
    ];
    expect(await caught(messages().sendBatch({ messages: batch }))).toBe("KEY_UNAVAILABLE");
    expect(await caught(messages().get("m-1"))).toBe("MESSAGE_NOT_FOUND");
  });

  it("a receive gives what can be read, and gives the others back, without using up their attempts", async () => {
    await takeKeyAway();
    expect((await receive()).map(({ messageId }) => messageId)).toEqual(["plain"]);
    await messages().complete("plain", { agentId: "b", attempt: 1 });
    for (let round = 0; round < 3; round++) {
      expect(await receive()).toEqual([]);
      under.clock.advance(31 * SECOND);
      expect(await caught(receive())).toBe("KEY_UNAVAILABLE");
    }
    await chmod(under.keyFile, 0o600);
    await under.restart();
    under.clock.advance(31 * SECOND);
    const received = await receive();
    expect(received.map(({ messageId, payload }) => [messageId, payload])).toEqual([
      ["secret-1", SECRET],
      ["secret-2", SECRET],
    ]);
    expect((await under.services.deadLetters.list()).messages).toEqual([]);
  });

  it("a receive of one message at a time goes past what cannot be read to what can", async () => {
    await takeKeyAway();
    expect((await receive(1)).map(({ messageId }) => messageId)).toEqual(["plain"]);
    under.clock.advance(31 * SECOND);
    expect(await caught(receive(1))).toBe("KEY_UNAVAILABLE");
  });

  it("a long poll says so at once", async () => {
    await takeKeyAway();
    await receive();
    under.clock.advance(31 * SECOND);
    expect(await caught(messages().receive("b", { waitSeconds: 20 }))).toBe("KEY_UNAVAILABLE");
  });

  it("that is gone for good, reads show what is lost and everything else; receives wait for it", async () => {
    await rm(under.keyFile);
    await under.restart();
    expect(await messages().get("secret-1")).toMatchObject({ payload: null, undecryptable: true });
    const peeked = (await messages().peek("b")).messages;
    expect(peeked.map(({ messageId, undecryptable }) => [messageId, undecryptable])).toEqual([
      ["secret-1", true],
      ["secret-2", true],
      ["plain", undefined],
    ]);
    expect((await receive()).map(({ messageId }) => messageId)).toEqual(["plain"]);
    under.clock.advance(31 * SECOND);
    expect(await caught(receive())).toBe("KEY_UNAVAILABLE");
    expect(await messages().get("secret-1")).toMatchObject({ status: "queued" });
  });
});
