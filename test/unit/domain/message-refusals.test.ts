import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { DURATION_MAX_SECONDS } from "../../../src/lib/model/limits.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { only } from "../../contract/support.ts";
import { temporaryFolder } from "../../hosts/http/local-host.ts";
import { VirtualClock } from "../../system/simulator/virtual-clock.ts";

/** What a caller is told when the domain refuses something about a message: the code, the sentence and the places. */

let folder: string;
let clock: VirtualClock;
let services: Services;

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new VirtualClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  services = createServices({ config, clock, store: await openStore(config, clock) });
  for (const agentId of ["a", "b"]) await services.registry.register({ agentId, role: "worker" });
});

afterEach(async () => {
  services.messages.close();
  await services.store.close();
  rmSync(folder, { recursive: true, force: true });
});

const message = { sender: "a", receiver: "b", type: "query" };
const inSeconds = (seconds: number) => new Date(clock.now() + seconds * 1_000).toISOString();

describe("a settlement", () => {
  it("of a message that is not there, or is not the caller's, says which", async () => {
    const { messages } = services;
    await expect(messages.complete("none", { agentId: "b", attempt: 1 })).rejects.toMatchObject({
      code: "MESSAGE_NOT_FOUND",
      message: "There is no message none.",
    });
    const { messageId } = await messages.send(message);
    await messages.receive("b");
    await expect(messages.retry(messageId, { agentId: "a", attempt: 7 })).rejects.toMatchObject({
      code: "LEASE_LOST",
      message: `Message ${messageId} is not leased by a in attempt 7, or was settled with another outcome.`,
    });
    const settled = { messageId, status: "completed" };
    expect(await messages.complete(messageId, { agentId: "b", attempt: 1 })).toEqual(settled);
  });

  it("has no field that would be ignored: all that it has are named", async () => {
    const one = { messageId: "m", attempt: 1 };
    const settle = (...settlements: Parameters<Services["messages"]["settle"]>[0]["settlements"]) =>
      services.messages.settle({ agentId: "b", settlements });
    const refused = settle(
      { ...one, outcome: "complete", delaySeconds: 1, reason: "r" },
      { ...one, outcome: "retry", delaySeconds: 1, reason: "r" },
      { ...one, outcome: "dead_letter", delaySeconds: 1, reason: "r" },
    );
    await expect(refused).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: "The request is invalid: settlements.0.delaySeconds does not belong to complete",
      errors: [
        { path: "settlements.0.delaySeconds", message: "does not belong to complete" },
        { path: "settlements.0.reason", message: "does not belong to complete" },
        { path: "settlements.2.delaySeconds", message: "does not belong to dead_letter" },
      ],
    });
    const many = Array.from({ length: 30 }, () => ({ ...one, outcome: "complete" as const, reason: "r" }));
    const error = await settle(...many).catch((refusal: unknown) => refusal);
    expect(Object(error).errors).toHaveLength(20);
    const { results } = await settle({ ...one, outcome: "retry", delaySeconds: 1, reason: "r" });
    expect(only(results)).toMatchObject({ messageId: "m", status: "not_found" });
  });

  it("comes back after the delay that was asked for, to the millisecond", async () => {
    const { messages } = services;
    const { messageId } = await messages.send(message);
    for (const [attempt, settle] of [
      (delaySeconds: number, attempt: number) => messages.retry(messageId, { agentId: "b", attempt, delaySeconds }),
      (delaySeconds: number, attempt: number) =>
        messages.settle({ agentId: "b", settlements: [{ messageId, attempt, outcome: "retry", delaySeconds }] }),
    ].entries()) {
      expect((await messages.receive("b")).messages).toHaveLength(1);
      await settle(2.5, attempt + 1);
      clock.advance(2_499);
      expect((await messages.receive("b")).messages).toEqual([]);
      clock.advance(1);
    }
    // A lease and its renewal are as long as was said, too.
    expect((await messages.receive("b", { leaseSeconds: 10 })).messages).toHaveLength(1);
    clock.advance(9_000);
    await messages.renew(messageId, { agentId: "b", attempt: 3, leaseSeconds: 20 });
    clock.advance(19_999);
    expect(await messages.complete(messageId, { agentId: "b", attempt: 3 })).toMatchObject({ status: "completed" });
  });
});

describe("a delivery", () => {
  it("is at most a year ahead: the first that is not is named", async () => {
    const { messages } = services;
    const [latest, far] = [inSeconds(DURATION_MAX_SECONDS), new Date(clock.now() + DURATION_MAX_SECONDS * 1_000 + 1)];
    expect(await messages.send({ ...message, deliverAt: latest })).toMatchObject({ duplicate: false });
    await expect(messages.send({ ...message, deliverAt: far.toISOString() })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: "The request is invalid: deliverAt must be at most a year ahead.",
      errors: [{ path: "deliverAt", message: "must be at most a year ahead" }],
    });
    const batch = [message, { ...message, deliverAt: latest }, { ...message, deliverAt: far.toISOString() }];
    await expect(messages.sendBatch({ messages: batch })).rejects.toMatchObject({
      message: "The request is invalid: messages.2.deliverAt must be at most a year ahead.",
      errors: [{ path: "messages.2.deliverAt" }],
    });
  });
});

describe("a channel of the other kind", () => {
  it("is told of in a sentence", async () => {
    await services.channels.create({ name: "news", kind: "broadcast", members: ["a"] });
    const posts = "news is a broadcast channel: its posts are delivered to the mailboxes of its members.";
    const { messages } = services;
    for (const asked of [
      () => messages.peekChannel("news"),
      () => messages.receiveFromChannel("news", { agentId: "a" }),
      () => messages.purgeChannel("news", { filter: { sender: "a" } }),
    ]) {
      await expect(asked()).rejects.toMatchObject({ code: "INVALID_REQUEST", message: posts });
    }
    await expect(messages.sendBatch({ messages: [{ ...message, receiver: "#news" }] })).rejects.toMatchObject({
      message: "The batch is invalid: #news is a broadcast channel, and a batch cannot contain posts.",
    });
  });
});

describe("a message type", () => {
  it("that nobody has registered is named, when it is asked for and when it is deleted", async () => {
    const { messageTypes } = services;
    const missing = { code: "NOT_FOUND", message: "No schema is registered for the type order." };
    await expect(messageTypes.get("order")).rejects.toMatchObject(missing);
    await expect(messageTypes.delete("order")).rejects.toMatchObject(missing);
    await messageTypes.put("order", { schema: { type: "object" } });
    expect(await messageTypes.get("order")).toMatchObject({ type: "order", schema: { type: "object" } });
    expect((await messageTypes.list()).messageTypes).toHaveLength(1);
    await messageTypes.delete("order");
    await expect(messageTypes.get("order")).rejects.toMatchObject(missing);
  });
});

describe("an id that is none", () => {
  it("is named by what it is", async () => {
    const { messages, messageTypes } = services;
    const paths: [string, () => Promise<unknown>][] = [
      ["message id", () => messages.get(" ")],
      ["message id", () => messages.renew(" ", { agentId: "a", attempt: 1 })],
      ["message id", async () => messages.withdraw(" ")],
      ["agent id", () => messages.peek(" ")],
      ["agent id", () => messages.receive(" ")],
      ["agent id", () => messages.purge(" ", { filter: { sender: "a" } })],
      ["name of the channel", () => messages.peekChannel(" ")],
      ["name of the channel", () => messages.receiveFromChannel(" ", { agentId: "a" })],
      ["message type", () => messageTypes.get(" ")],
      ["message type", () => messageTypes.delete(" ")],
      ["message type", () => messageTypes.put("query", { schema: true })],
    ];
    for (const [name, ask] of paths) {
      const error = await ask().catch((refusal: unknown) => refusal);
      expect([name, Object(error).code, Object(error).message]).toEqual([
        name,
        "INVALID_REQUEST",
        expect.stringContaining(name),
      ]);
    }
  });
});
