import { existsSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { KeyRotation } from "../../../src/lib/domain/credentials/key-rotation.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import type { Rotation } from "../../../src/lib/model/rotation.ts";
import { KeyFile } from "../../../src/lib/security/key-file.ts";
import { noKeys } from "../../../src/lib/security/key-ring.ts";
import { caught, DAY } from "../../contract/support.ts";
import { EncryptedServices } from "../../support/encrypted-services.ts";

/** Encrypting again under a new version of the key: everything, online, resumable, and harmless when two do it at once. */

/** A clock on which every look at it takes a second: a rotation is late after a few steps. */
class SlowClock extends OffsetClock {
  slow = false;
  #looks = 0;

  override now(): number {
    if (this.slow) this.offset += 1_000;
    return super.now();
  }

  override monotonic(): number {
    if (this.slow) this.#looks += 1;
    // A call looks once for each step, and has 5 s.
    return super.monotonic() + 3_000 * this.#looks;
  }
}

let under: EncryptedServices;
let clock: SlowClock;

beforeEach(async () => {
  clock = new SlowClock();
  under = await EncryptedServices.start({}, clock);
  const { registry } = under.services;
  await registry.register({ agentId: "lead", role: "supervisor" });
  await registry.register({ agentId: "w", role: "worker", maxConcurrentTasks: 10 });
  await registry.register({ agentId: "box", role: "observer" });
});

afterEach(() => under.stop());

/** One value of each kind and state, all that a rotation has to find. */
async function fill(): Promise<void> {
  const { coordinator, messages } = under.services;
  const assign = async (taskId: string) => {
    await coordinator.assign({
      taskId,
      supervisor: "lead",
      taskType: "work",
      parameters: `p ${taskId}`,
      sensitive: true,
    });
    await coordinator.complete(taskId, { agentId: "w", attempt: 1, result: `r ${taskId}` });
  };
  await assign("archived");
  clock.advance(31 * DAY);
  await under.services.monitor.cleanupAndMaintenance();
  await assign("ended");
  for (const n of [1, 2, 3, 4]) {
    const message = { sender: "lead", receiver: "box", type: "query", payload: { n }, sensitive: true };
    await messages.send({ ...message, messageId: `m-${n}` });
  }
  await messages.send({ sender: "lead", receiver: "box", type: "query", payload: "plain", messageId: "plain" });
  await messages.receive("box", { maxMessages: 3 });
  await messages.complete("m-1", { agentId: "box", attempt: 1 });
  await messages.deadLetter("m-2", { agentId: "box", attempt: 1 });
}

/** Every version that something is under. */
function versions(): string[] {
  const columns = ["message_bodies", "task_bodies", "task_outcomes", "task_archive"].map(
    (table) => `SELECT key_version AS v FROM ${table} WHERE key_version IS NOT NULL`,
  );
  columns.push("SELECT result_key_version AS v FROM task_archive WHERE result_key_version IS NOT NULL");
  return under.rows(columns.join(" UNION ALL ")).map(({ v }) => String(v));
}

async function expectReadable(): Promise<void> {
  const { coordinator, messages } = under.services;
  for (const taskId of ["archived", "ended"]) {
    const task = await coordinator.get(taskId);
    expect(task).toMatchObject({ parameters: `p ${taskId}`, result: `r ${taskId}`, sensitive: true });
    expect(task).not.toHaveProperty("undecryptable");
  }
  for (const n of [1, 2, 3, 4]) expect((await messages.get(`m-${n}`)).payload).toEqual({ n });
  const results = (await messages.peek("lead")).messages.map(({ payload }) => payload);
  expect(results).toMatchObject([
    { taskId: "archived", result: "r archived", sensitive: true },
    { taskId: "ended", result: "r ended", sensitive: true },
  ]);
}

/** As the command line does it. @returns every answer */
async function rotateAll(first: { newVersion?: boolean } = {}): Promise<Rotation[]> {
  const answers = [await under.services.keyRotation.rotate(first)];
  for (;;) {
    const cursor = answers.at(-1)?.nextCursor ?? null;
    if (cursor === null) return answers;
    answers.push(await under.services.keyRotation.rotate({ cursor }));
  }
}

/** Texts of a cursor's form that no rotation has written. */
const OTHER_CURSORS = [
  ["archived_result", "v", 1],
  ["archived_parameters", "v", 1],
  ["result", "v", "x"],
  ["other", "v", 1],
  ["message", "v".repeat(65), 1],
  ["archived_result", "v", "x".repeat(129)],
  ["message", "v", 1, 2],
].map((parts) => Buffer.from(JSON.stringify(parts)).toString("base64url"));

/** Takes lines from the key file. */
async function dropKeys(count: number): Promise<void> {
  const lines = (await readFile(under.keyFile, "utf8")).split("\n").slice(count);
  await writeFile(under.keyFile, lines.join("\n"));
}

describe("a rotation", () => {
  it("puts everything under the new version: messages in every state, parameters, results, the archive", async () => {
    await fill();
    const before = versions();
    // Four messages, two results in the supervisor's mailbox, and two tasks with parameters and result.
    expect([before.length, new Set(before).size]).toEqual([10, 1]);
    const [answer] = await rotateAll({ newVersion: true });
    expect(answer).toMatchObject({ reencrypted: 10, undecryptable: 0, left: 0, nextCursor: null });
    expect(new Set(versions())).toEqual(new Set([answer?.keyVersion]));
    expect(before).not.toContain(answer?.keyVersion);
    // The old key is needed no more.
    await dropKeys(1);
    await under.restart();
    await expectReadable();
  });

  it("does nothing when there is nothing to do, and says under which version everything is", async () => {
    await fill();
    const [first] = await rotateAll();
    expect(first).toMatchObject({ reencrypted: 0, left: 0 });
    expect(versions()).toContain(first?.keyVersion);
  });

  it("stops when its time is over, says what is left, and goes on where it stopped", async () => {
    await fill();
    clock.slow = true;
    const answers = await rotateAll({ newVersion: true });
    clock.slow = false;
    expect(answers.length).toBeGreaterThan(2);
    expect(answers[0]?.left).toBeGreaterThan(0);
    expect(answers.reduce((sum, { reencrypted }) => sum + reencrypted, 0)).toBe(10);
    expect(answers.at(-1)?.left).toBe(0);
    await expectReadable();
  });

  it("run twice at once, and while others read and write, changes each value once and loses none", async () => {
    await fill();
    const { messages, store } = under.services;
    const send = (n: number) =>
      messages.send({ sender: "lead", receiver: "w", type: "query", payload: { n }, sensitive: true });
    const work = async () => {
      for (let n = 0; n < 20; n++) {
        await send(n);
        await expectReadable();
      }
    };
    const [one, two] = await Promise.all([rotateAll({ newVersion: true }), rotateAll(), work()]);
    const count = (answers: readonly Rotation[]) => answers.reduce((sum, { reencrypted }) => sum + reencrypted, 0);
    expect(count(one) + count(two)).toBeGreaterThanOrEqual(10);
    await rotateAll();
    expect(new Set(versions()).size).toBe(1);
    await expectReadable();
    const received = (await messages.receive("w", { maxMessages: 50, types: ["query"] })).messages;
    expect(received.map(({ payload }) => payload)).toEqual(Array.from({ length: 20 }, (_, n) => ({ n })));
    expect(await store.countOutdated("", 100)).toBe(30);
  });

  it("passes over what cannot be decrypted, says so, and comes to its end all the same", async () => {
    await fill();
    under.tamper("UPDATE message_bodies SET payload = '\"e1.broken\"' WHERE message_id = 'm-2'");
    under.tamper("UPDATE task_bodies SET parameters = '5'");
    for (let round = 0; round < 2; round++) {
      const [answer] = await rotateAll({ newVersion: round === 0 });
      const reencrypted = round === 0 ? 8 : 0;
      expect(answer).toMatchObject({ reencrypted, undecryptable: 2, left: 2, nextCursor: null });
    }
  });

  it("passes over what was encrypted with a key that is gone", async () => {
    await fill();
    await under.services.keyRotation.rotate({ newVersion: true });
    await under.services.messages.send({ sender: "lead", receiver: "box", type: "query", sensitive: true });
    under.tamper("UPDATE message_bodies SET key_version = 'gone' WHERE message_id = 'm-2'");
    expect(await under.services.keyRotation.rotate({ newVersion: true })).toMatchObject({
      reencrypted: 10,
      undecryptable: 1,
      left: 1,
    });
  });

  it("is on the record", async () => {
    await fill();
    const [answer] = await rotateAll({ newVersion: true });
    const { items } = await under.services.store.listAudit({ limit: 10, action: "encryption.rotated" });
    const recorded = items.map(({ subjectId, detail }) => [subjectId, detail?.kind, detail?.count]);
    expect(recorded).toEqual(
      [
        ["archived_result", 1],
        ["archived_parameters", 1],
        ["result", 1],
        ["parameters", 1],
        ["message", 6],
      ].map(([kind, count]) => [answer?.keyVersion, kind, count]),
    );
  });

  it("makes no version where that is the operator's to do, and says so", async () => {
    const rotation = new KeyRotation({ store: under.services.store, keys: noKeys, clock });
    const message = "only works with a key file; in a key vault, the operator creates the version";
    await expect(rotation.rotate({ newVersion: true })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: `newVersion ${message}.`,
      errors: [{ path: "newVersion", message }],
    });
    expect(await caught(rotation.rotate({}))).toBe("KEY_UNAVAILABLE");
  });

  it("says where the cursor that it cannot use stands", async () => {
    await expect(under.services.keyRotation.rotate({ cursor: "x" })).rejects.toMatchObject({
      message: "The cursor does not belong to a key rotation.",
      errors: [{ path: "cursor", message: "does not belong to a key rotation" }],
    });
  });

  it.each(["", "x", "W10", Buffer.from('["message","v","x"]').toString("base64url"), ...OTHER_CURSORS])(
    "refuses %j, which is no cursor of one",
    async (cursor) => {
      expect(await caught(under.services.keyRotation.rotate({ cursor }))).toBe("INVALID_REQUEST");
    },
  );
});

describe("a rotation in a process that knows an older version", () => {
  it("goes by the newest, which another process has made meanwhile, and leaves nothing behind", async () => {
    await fill();
    const { keyRotation } = under.services;
    const first = await keyRotation.rotate({});
    const { version } = await new KeyFile(under.keyFile, clock).add();
    const second = await keyRotation.rotate({});
    expect([second.keyVersion, second.left]).toEqual([version, 0]);
    expect(first.keyVersion).not.toBe(version);
    expect(new Set(versions())).toEqual(new Set([version]));
    await expectReadable();
  });
});

describe("the daily upkeep", () => {
  const upkeep = () => under.services.monitor.cleanupAndMaintenance();

  it("encrypts again what is under an older version", async () => {
    await fill();
    const { version } = await new KeyFile(under.keyFile, clock).add();
    expect(await upkeep()).toMatchObject({ valuesReencrypted: 10, finished: true });
    expect(new Set(versions())).toEqual(new Set([version]));
    expect(await upkeep()).toMatchObject({ valuesReencrypted: 0, finished: true });
    await expectReadable();
  });

  it("needs no key, and makes none, where nothing is encrypted", async () => {
    expect(await upkeep()).toMatchObject({ valuesReencrypted: 0, finished: true });
    expect(existsSync(under.keyFile)).toBe(false);
  });

  it("does everything else when the key cannot be had, and leaves this to the next run", async () => {
    await fill();
    await under.services.messages.complete("m-3", { agentId: "box", attempt: 1 });
    await new KeyFile(under.keyFile, clock).add();
    await chmod(under.keyFile, 0o644);
    await under.restart();
    clock.advance(8 * DAY);
    expect(await upkeep()).toMatchObject({ messagesPurged: 3, valuesReencrypted: 0, finished: false });
    await chmod(under.keyFile, 0o600);
    expect(await upkeep()).toMatchObject({ valuesReencrypted: 8, finished: true });
  });
});
