import { describe, expect, it } from "@jest/globals";
import { IdempotencyMismatch } from "../../../src/lib/base/idempotency.ts";
import type {
  EncryptedKind,
  NewMessage,
  OutdatedPosition,
  OutdatedValue,
  Replacement,
  StoredMessage,
} from "../../../src/lib/store/store.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, DAY, type Held, MINUTE, only, payloadField, type Scene, SECOND } from "../support.ts";

/**
 * What the store does with encrypted values: it keeps an envelope as it keeps any JSON text, with the version of its key
 * beside it, and finds those of other versions (design section 6). What is in an envelope it does not know.
 */
export function encryptionContract(open: StoreFactory): void {
  describe("encrypted values", () => {
    keeping(open);
    givingBack(open);
    outdated(open);
  });
}

const OLD = "0aaa";
const NEW = "5bbb";
const NEWER = "9ccc";

/** What an envelope looks like, as far as a store may know. Longer than what is kept inside a row. */
function envelope(keyVersion: string, name: string, length = 3_000): string {
  return `e1.${keyVersion}.${name}.${"x".repeat(length)}`;
}

function encrypted(scene: Scene, sender: string, receiver: string, keyVersion = OLD): NewMessage {
  const messageId = scene.fresh("m");
  return { ...scene.message(sender, receiver, { messageId, payload: envelope(keyVersion, messageId) }), keyVersion };
}

/** A task with encrypted parameters that a worker holds. */
async function sensitiveTask(scene: Scene, keyVersion = OLD): Promise<Held & { supervisor: string }> {
  const supervisor = await scene.supervisor();
  await scene.worker(5);
  const taskId = scene.fresh("t");
  const task = scene.task(supervisor, { taskId, parameters: envelope(keyVersion, taskId) });
  await scene.store.assignTask({ ...task, keyVersion });
  return { ...(await scene.held(taskId)), supervisor };
}

function complete(scene: Scene, held: Held, keyVersion: string | undefined, result = envelope("", "result")) {
  const { taskId, agentId, attempt } = held;
  return scene.store.completeTask(taskId, { agentId, attempt, result, keyVersion });
}

function keeping(open: StoreFactory): void {
  const stage = useStore(open);

  it("come back with the version of their key, wherever a message is read", async () => {
    const scene = stage.scene();
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const message = encrypted(scene, sender, receiver);
    await scene.store.sendMessages([message]);
    const seen = { messageId: message.messageId, payload: message.payload, keyVersion: OLD };
    expect(await scene.read(message.messageId)).toMatchObject(seen);
    expect(only(await scene.peek(receiver))).toMatchObject(seen);
    const leased = await scene.receiveOne(receiver, { claimId: scene.id("claim") });
    expect(leased).toMatchObject(seen);
    expect(await scene.receiveOne(receiver, { claimId: scene.id("claim") })).toMatchObject(seen);
    await scene.settle(receiver, leased, "dead_letter");
    expect(only((await scene.store.listDeadLetters({ limit: 5, receiver })).items)).toMatchObject(seen);
    await scene.store.redriveDeadLetters({ messageIds: [message.messageId], dryRun: false });
    expect(await scene.receiveOne(receiver)).toMatchObject(seen);
  });

  it("are told by nothing else: a text that looks like an envelope is a text", async () => {
    const scene = stage.scene();
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const payload = envelope(OLD, "mine", 10);
    const plain = scene.message(sender, receiver, { messageId: scene.fresh("m"), payload });
    await scene.store.sendMessages([encrypted(scene, sender, receiver), plain]);
    const [first, second] = await scene.receive(receiver, { maxMessages: 2 });
    expect(first).toHaveProperty("keyVersion", OLD);
    expect(second).toMatchObject({ messageId: plain.messageId, payload });
    expect(second).not.toHaveProperty("keyVersion");
  });

  it("of a post are the same in every copy, and found with the post that they belong to", async () => {
    await withStore(open, {}, async (scene) => {
      const [sender, one, two] = [await scene.agent(), await scene.agent(), await scene.agent()];
      const { channel } = await scene.createChannel({ name: "news", kind: "broadcast", members: [one, two] }, sender);
      const post = encrypted(scene, sender, `#${channel.name}`);
      expect(await scene.store.broadcastMessage(post)).toEqual({ messageId: post.messageId, duplicate: false });
      expect(await scene.read(post.messageId)).toMatchObject({ payload: post.payload, keyVersion: OLD });
      for (const member of [one, two]) {
        const copy = { postId: post.messageId, payload: post.payload, keyVersion: OLD };
        expect(await scene.receiveOne(member)).toMatchObject(copy);
      }
      const values = await walk(scene, "message", NEW);
      expect(values.map(({ belongsTo }) => belongsTo)).toEqual([post.messageId, post.messageId, post.messageId]);
      const replacements = values.map((value) => replacementOf(value, NEW));
      expect(await scene.store.replaceOutdated("message", NEW, replacements)).toBe(3);
      const repeat = { ...post, requestHash: "k1.new.other" };
      const error = await scene.store.broadcastMessage(repeat).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "IDEMPOTENCY_MISMATCH", of: post.messageId, storedHash: post.requestHash });
    });
  });

  it("of a task are its parameters, joined to its assignment", async () => {
    const scene = stage.scene();
    const { taskId, agentId } = await sensitiveTask(scene);
    const parameters = envelope(OLD, taskId);
    expect(await scene.look(taskId)).toMatchObject({ parameters, keyVersion: OLD });
    expect(await scene.look(taskId)).not.toHaveProperty("resultKeyVersion");
    const { items } = await scene.store.listTasks({ limit: 5, assignedTo: agentId });
    expect(only(items)).toMatchObject({ parameters, keyVersion: OLD });
    const assignment = await scene.receiveOne(agentId);
    expect(assignment).toMatchObject({ type: "task_assignment", keyVersion: OLD, payload: { parameters } });
    expect(payloadField(assignment, "sensitive")).toBe(true);
  });

  it("of a task are its result, and what tells the supervisor of it", async () => {
    const scene = stage.scene();
    const held = await sensitiveTask(scene);
    const result = envelope(NEW, "result");
    await complete(scene, held, NEW, result);
    const task = await scene.look(held.taskId);
    expect(task).toMatchObject({ status: "completed", result, keyVersion: OLD, resultKeyVersion: NEW });
    const message: StoredMessage = only(await scene.results(held.supervisor, held.taskId));
    expect(message.keyVersion).toBe(NEW);
    expect(message.payload).toEqual({
      taskId: held.taskId,
      taskType: "work",
      status: "completed",
      attempt: 1,
      version: 2,
      result,
      sensitive: true,
    });
  });

  it("may be the result of a task whose parameters are plain", async () => {
    const scene = stage.scene();
    const supervisor = await scene.supervisor();
    await scene.worker();
    const held = await scene.assign(supervisor, { parameters: { a: 1 } });
    await complete(scene, held, NEW);
    const task = await scene.look(held.taskId);
    expect(task).toMatchObject({ parameters: { a: 1 }, resultKeyVersion: NEW });
    expect(task).not.toHaveProperty("keyVersion");
  });

  it("leave nothing behind where nothing is encrypted", async () => {
    const scene = stage.scene();
    const held = await sensitiveTask(scene);
    await complete(scene, held, undefined, "plain");
    expect(await scene.look(held.taskId)).not.toHaveProperty("resultKeyVersion");
    const message = only(await scene.results(held.supervisor, held.taskId));
    expect(message).not.toHaveProperty("keyVersion");
    expect(payloadField(message, "sensitive")).toBeUndefined();
  });

  it("outlast a retry: the parameters stay, and the next result has its own version", async () => {
    const scene = stage.scene();
    const first = await sensitiveTask(scene);
    await scene.fail(first);
    await scene.pass(10 * MINUTE);
    const second = await scene.held(first.taskId);
    expect(second.attempt).toBe(2);
    await complete(scene, second, NEWER);
    expect(await scene.look(first.taskId)).toMatchObject({ keyVersion: OLD, resultKeyVersion: NEWER });
  });

  it("are known of a task without reading it", async () => {
    const scene = stage.scene();
    const { taskId } = await sensitiveTask(scene);
    const plain = await scene.submit(await scene.supervisor());
    expect(await scene.store.isSensitiveTask(taskId)).toBe(true);
    expect(await scene.store.isSensitiveTask(plain)).toBe(false);
    expect(await scene.store.isSensitiveTask(scene.id("nothing"))).toBeUndefined();
  });

  it("stay what they are in the archive", async () => {
    await withStore(open, {}, async (scene) => {
      const both = await sensitiveTask(scene);
      await complete(scene, both, NEW);
      const failed = await sensitiveTask(scene, NEWER);
      await scene.fail(failed, { retryable: false });
      await scene.pass(31 * DAY);
      await scene.store.maintain();
      expect(await scene.look(both.taskId)).toMatchObject({
        archived: true,
        parameters: envelope(OLD, both.taskId),
        result: envelope("", "result"),
        keyVersion: OLD,
        resultKeyVersion: NEW,
      });
      const archived = await scene.look(failed.taskId);
      expect(archived).toMatchObject({ archived: true, keyVersion: NEWER });
      expect(archived).not.toHaveProperty("resultKeyVersion");
      expect(await scene.store.isSensitiveTask(both.taskId)).toBe(true);
    });
  });

  it("are compared by the hash that was stored: a mismatch tells it, to us only", async () => {
    const scene = stage.scene();
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const byId = { ...encrypted(scene, sender, receiver), requestHash: "k1.old.of-message" };
    const byKey = { ...scene.message(sender, receiver, {}, scene.id("key")), requestHash: "k1.old.of-key" };
    await scene.store.sendMessages([byId, byKey]);
    for (const [message, storedHash] of [
      [byId, "k1.old.of-message"],
      [byKey, "k1.old.of-key"],
    ] as const) {
      const again = { ...message, requestHash: "k1.new.other" };
      const error = await scene.store.sendMessages([scene.message(sender, receiver), again]).catch((reason) => reason);
      expect(error).toBeInstanceOf(IdempotencyMismatch);
      expect(error).toMatchObject({ code: "IDEMPOTENCY_MISMATCH", of: message.messageId, storedHash });
      expect(error.message).not.toContain(storedHash);
    }
    const supervisor = await scene.supervisor();
    const task = { ...scene.task(supervisor, { taskId: scene.fresh("t") }), requestHash: "k1.old.of-task" };
    await scene.store.assignTask(task);
    const error = await scene.store.assignTask({ ...task, requestHash: "k1.new.other" }).catch((reason) => reason);
    expect(error).toMatchObject({ code: "IDEMPOTENCY_MISMATCH", of: task.taskId, storedHash: "k1.old.of-task" });
  });
}

function givingBack(open: StoreFactory): void {
  const stage = useStore(open);

  it("of messages that could not be read are given back, to come again after a delay, without using up an attempt", async () => {
    const scene = stage.scene();
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const messageId = await scene.send(sender, receiver, { maxAttempts: 1, orderingKey: "k" });
    const behind = await scene.send(sender, receiver, { orderingKey: "k" });
    const other = await scene.send(sender, receiver);
    const leased = await scene.receive(receiver, { maxMessages: 2 });
    expect(leased.map((message) => message.messageId)).toEqual([messageId, other]);
    const before = scene.store.now();
    const messages = leased.map(({ messageId, attempt }) => ({ messageId, attempt }));
    await scene.store.giveBackMessages({ agentId: receiver, messages, delayMilliseconds: 20 * SECOND });
    const given = await scene.read(messageId);
    expect(given).toMatchObject({ status: "queued", attempt: 1, maxAttempts: 2 });
    expect(given).not.toHaveProperty("reason");
    expect(at(given.availableAt)).toBeGreaterThanOrEqual(before + 20 * SECOND);
    expect(await scene.receiveIds(receiver)).toEqual([]);
    scene.advance(21 * SECOND);
    const again = await scene.receive(receiver, { maxMessages: 5 });
    expect(again.map((message) => [message.messageId, message.attempt])).toEqual([
      [messageId, 2],
      [other, 2],
    ]);
    // Whoever settles the attempt that was given back is too late.
    expect(await scene.settle(receiver, { messageId, attempt: 1 }, "complete")).toBe("lease_lost");
    expect(await scene.settle(receiver, { messageId, attempt: 2 }, "complete")).toBe("completed");
    expect(await scene.receiveIds(receiver)).toEqual([behind]);
  });

  it("of a work queue are given back by the member that holds them, and come to any", async () => {
    const scene = stage.scene();
    const [sender, one, two] = [await scene.agent(), await scene.agent(), await scene.agent()];
    const name = scene.fresh("queue");
    await scene.createChannel({ name, kind: "work_queue", members: [one, two] }, sender);
    const messageId = await scene.send(sender, `#${name}`, { maxAttempts: 1 });
    const [leased] = await scene.receive(one, { channel: name });
    const messages = [{ messageId, attempt: leased?.attempt ?? 0 }];
    await scene.store.giveBackMessages({ agentId: two, messages, delayMilliseconds: 0 });
    expect(await scene.status(messageId)).toBe("leased");
    await scene.store.giveBackMessages({ agentId: one, messages, delayMilliseconds: 0 });
    expect(await scene.receive(two, { channel: name })).toMatchObject([{ messageId, attempt: 2, maxAttempts: 2 }]);
  });

  it("are given back only by who holds them: anything else changes nothing", async () => {
    const scene = stage.scene();
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const messageId = await scene.send(sender, receiver);
    const { attempt } = await scene.receiveOne(receiver);
    const before = await scene.read(messageId);
    const giveBack = (agentId: string, message: { messageId: string; attempt: number }) =>
      scene.store.giveBackMessages({ agentId, messages: [message], delayMilliseconds: 0 });
    await giveBack(sender, { messageId, attempt });
    await giveBack(receiver, { messageId, attempt: attempt + 1 });
    await giveBack(receiver, { messageId: scene.id("nothing"), attempt });
    await giveBack(scene.id("nobody"), { messageId, attempt });
    await scene.store.giveBackMessages({ agentId: receiver, messages: [], delayMilliseconds: 0 });
    expect(await scene.read(messageId)).toEqual(before);
    await scene.settle(receiver, { messageId, attempt }, "complete");
    await giveBack(receiver, { messageId, attempt });
    expect(await scene.status(messageId)).toBe("completed");
  });

  it("keep the counters right when they are given back", async () => {
    await withStore(open, {}, async (scene) => {
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver);
      const { messageId, attempt } = await scene.receiveOne(receiver);
      const giveBack = { agentId: receiver, messages: [{ messageId, attempt }], delayMilliseconds: MINUTE };
      await Promise.all([scene.store.giveBackMessages(giveBack), scene.store.giveBackMessages(giveBack)]);
      expect((await scene.store.queueStatistics()).byStatus).toMatchObject({ queued: 1, leased: 0 });
      expect(await scene.read(messageId)).toMatchObject({ maxAttempts: 6 });
    });
  });
}

const KINDS: readonly EncryptedKind[] = ["message", "parameters", "result", "archived_parameters", "archived_result"];

/** Every value of a kind under another version, by walking. */
async function walk(scene: Scene, kind: EncryptedKind, keyVersion: string): Promise<OutdatedValue[]> {
  const found: OutdatedValue[] = [];
  let after: OutdatedPosition | undefined;
  for (let round = 0; round < 100; round++) {
    const values = await scene.store.findOutdated(kind, keyVersion, after);
    const last = values.at(-1);
    if (last === undefined) return found;
    found.push(...values);
    after = { keyVersion: last.keyVersion, place: last.place };
  }
  throw new Error("the walk does not end");
}

/** The same value under another version, as a rotation would make it. */
function replacementOf(value: OutdatedValue, keyVersion: string): Replacement {
  const { id, text } = value;
  return { id, was: value, text: text.replaceAll(`e1.${value.keyVersion}.`, `e1.${keyVersion}.`) };
}

/** Two of each kind under OLD, in a database of its own. */
async function filled(
  scene: Scene,
): Promise<{ archived: Held; task: Held & { supervisor: string }; messages: string[] }> {
  const [sender, receiver] = [await scene.agent(), await scene.agent()];
  const archived = await sensitiveTask(scene);
  await complete(scene, archived, OLD, envelope(OLD, "result"));
  await scene.pass(31 * DAY);
  await scene.store.maintain();
  const task = await sensitiveTask(scene);
  await complete(scene, task, OLD, envelope(OLD, "result"));
  const messages = [encrypted(scene, sender, receiver), encrypted(scene, sender, receiver)];
  await scene.store.sendMessages(messages);
  await scene.send(sender, receiver, { payload: envelope(OLD, "plain") });
  return { archived, task, messages: messages.map((message) => message.messageId) };
}

function outdated(open: StoreFactory): void {
  it("of every kind are found by their version, counted, and replaced", async () => {
    await withStore(open, {}, async (scene) => {
      const { archived, task, messages } = await filled(scene);
      const found = new Map<EncryptedKind, OutdatedValue[]>();
      for (const kind of KINDS) found.set(kind, await walk(scene, kind, NEW));
      const ids = (kind: EncryptedKind) => found.get(kind)?.map((value) => value.id);
      const ofUsers = found.get("message")?.filter((value) => !value.ofSystem);
      expect(ofUsers?.map((value) => value.id)).toEqual(messages);
      // The results of both tasks, in the supervisors' mailboxes.
      expect(found.get("message")).toHaveLength(4);
      expect(ids("parameters")).toEqual([task.taskId]);
      expect(ids("result")).toEqual([task.taskId]);
      expect(ids("archived_parameters")).toEqual([archived.taskId]);
      expect(ids("archived_result")).toEqual([archived.taskId]);
      expect(found.get("parameters")?.map((value) => JSON.parse(value.text))).toEqual([envelope(OLD, task.taskId)]);
      expect(await scene.store.countOutdated(NEW, 100)).toBe(8);
      expect(await scene.store.countOutdated(NEW, 3)).toBe(3);
      expect(await scene.store.countOutdated("", 100)).toBe(8);
      expect(await scene.store.countOutdated(OLD, 100)).toBe(0);

      for (const [kind, values] of found) {
        const replacements = values.map((value) => replacementOf(value, NEW));
        expect(await scene.store.replaceOutdated(kind, NEW, replacements)).toBe(values.length);
        // The second of two that run at once finds nothing left to replace.
        expect(await scene.store.replaceOutdated(kind, NEW, replacements)).toBe(0);
        expect(await walk(scene, kind, NEW)).toEqual([]);
        expect(await walk(scene, kind, OLD)).toHaveLength(values.length);
      }
      expect(await scene.store.countOutdated(NEW, 100)).toBe(0);

      for (const messageId of messages) {
        const payload = envelope(NEW, messageId);
        expect(await scene.read(messageId)).toMatchObject({ payload, keyVersion: NEW });
      }
      const result = envelope(NEW, "result");
      for (const { taskId } of [archived, task]) {
        const parameters = envelope(NEW, taskId);
        const looked = { parameters, result, keyVersion: NEW, resultKeyVersion: NEW };
        expect(await scene.look(taskId)).toMatchObject(looked);
      }
      const told: StoredMessage = only(await scene.results(task.supervisor, task.taskId));
      expect(told).toMatchObject({ keyVersion: NEW, payload: { taskId: task.taskId, result, sensitive: true } });
    });
  });

  it("are found on both sides of the version, and a walk goes on behind its position", async () => {
    await withStore(open, {}, async (scene) => {
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const versions = [NEWER, OLD, NEW, OLD, NEWER, "1abc"];
      const messages = versions.map((version) => encrypted(scene, sender, receiver, version));
      await scene.store.sendMessages(messages);
      const others = await walk(scene, "message", NEW);
      expect(others.map((value) => value.keyVersion)).toEqual([OLD, OLD, "1abc", NEWER, NEWER]);
      const middle = others[1];
      if (middle === undefined) throw new Error("nothing found");
      const rest = await scene.store.findOutdated("message", NEW, middle);
      expect(rest.map((value) => value.id)).toEqual(others.slice(2).map((value) => value.id));
      const last = others[4];
      expect(await scene.store.findOutdated("message", NEW, last)).toEqual([]);
    });
  });

  it("are not replaced when they are no longer what they were", async () => {
    await withStore(open, {}, async (scene) => {
      await filled(scene);
      for (const kind of KINDS) {
        const [value] = await walk(scene, kind, NEW);
        if (value === undefined) throw new Error(`there is no ${kind}`);
        const replacement = replacementOf(value, NEW);
        const otherText = { ...replacement, was: { ...value, text: value.text.replaceAll(".", "-") } };
        const otherVersion = { ...replacement, was: { ...value, keyVersion: NEWER } };
        const gone = { ...replacement, id: scene.id("nothing") };
        expect(await scene.store.replaceOutdated(kind, NEW, [otherText, otherVersion, gone])).toBe(0);
        expect(await scene.store.replaceOutdated(kind, NEW, [])).toBe(0);
        expect((await walk(scene, kind, NEW))[0]).toEqual(value);
        expect(await scene.store.replaceOutdated(kind, NEW, [otherVersion, replacement])).toBe(1);
      }
    });
  });

  it("are replaced on the record: how many, of which kind, under which version, by whom", async () => {
    await withStore(open, {}, async (scene) => {
      await filled(scene);
      const values = await walk(scene, "message", NEW);
      const replacements = values.map((value) => replacementOf(value, NEW));
      const replace = () => scene.store.replaceOutdated("message", NEW, replacements);
      await actingAs({ actor: "root", role: "admin", credential: "token" }, replace);
      // Nothing was left to replace, so there is nothing to record.
      await replace();
      const { items } = await scene.store.listAudit({ limit: 10, action: "encryption.rotated" });
      expect(only(items)).toMatchObject({
        actor: "root",
        subjectKind: "encryption_key",
        subjectId: NEW,
        detail: { kind: "message", count: 4 },
      });
    });
  });

  it("are found and replaced in any state of a message", async () => {
    await withStore(open, {}, async (scene) => {
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messages = [1, 2, 3, 4, 5].map(() => encrypted(scene, sender, receiver));
      await scene.store.sendMessages(messages);
      const [done, dead, retried] = await scene.receive(receiver, { maxMessages: 4 });
      if (done === undefined || dead === undefined || retried === undefined) throw new Error("too few messages");
      await scene.settle(receiver, done, "complete");
      await scene.settle(receiver, dead, "dead_letter");
      await scene.settle(receiver, retried, "retry", { delayMilliseconds: MINUTE });
      const before = await Promise.all(messages.map((message) => scene.read(message.messageId)));
      const values = await walk(scene, "message", NEW);
      const replacements = values.map((value) => replacementOf(value, NEW));
      expect(await scene.store.replaceOutdated("message", NEW, replacements)).toBe(5);
      const after = await Promise.all(messages.map((message) => scene.read(message.messageId)));
      const replaced = before.map((message) => ({
        ...message,
        payload: envelope(NEW, message.messageId),
        keyVersion: NEW,
      }));
      expect(after).toEqual(replaced);
    });
  });

  it("come in pages of bounded size", async () => {
    await withStore(open, {}, async (scene) => {
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const large = Array.from({ length: 12 }, () => {
        const message = encrypted(scene, sender, receiver);
        return { ...message, payload: envelope(OLD, message.messageId, 340_000) };
      });
      for (const message of large) await scene.store.sendMessages([message]);
      const first = await scene.store.findOutdated("message", NEW);
      expect(first.length).toBeGreaterThan(0);
      expect(first.length).toBeLessThan(12);
      expect(await walk(scene, "message", NEW)).toHaveLength(12);
    });
  });
}
