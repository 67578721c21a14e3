import { describe, expect, it } from "@jest/globals";
import type { ErrorCode } from "../../src/lib/model/errors.ts";
import { isAgentCommunicationError } from "../../src/lib/model/errors.ts";
import {
  ASSIGN_REFUSALS,
  ATTEMPT_REFUSALS,
  SEND_REFUSALS,
  type SendRefusal,
} from "../../src/lib/store/rules/refusal-orders.ts";
import { type StoreFactory, useStore } from "./store-under-test.ts";
import type { Scene } from "./support.ts";

/** Calls that deserve several refusals get the one that comes first in store/rules/refusal-orders.ts. */

/** Code and text of the refusal. */
async function refused(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isAgentCommunicationError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

/** Every choice of one from each list. */
function choices(lists: readonly (readonly string[])[]): string[][] {
  return lists.reduce<string[][]>((all, list) => all.flatMap((some) => list.map((one) => [...some, one])), [[]]);
}

const MAILBOX = 10;
const FINE = "fine";

export function refusalOrdersContract(open: StoreFactory): void {
  describe("of several refusals, the first of their order is given", () => {
    const stage = useStore(open, { maxMailbox: MAILBOX });

    it("for a message", () => sends(stage.scene()), 120_000);
    it("for a new task", () => assignments(stage.scene()), 120_000);
    it("for what an agent does with an attempt", () => attempts(stage.scene()), 120_000);
  });
}

/** A mailbox with `depth` messages, of which `own` are the sender's. The first half is one other agent's. */
async function fill(scene: Scene, receiver: string, depth: number, own: { sender: string; messages: number }) {
  for (let n = 0; n < own.messages; n += 1) await scene.send(own.sender, receiver);
  let other = await scene.agent();
  for (let n = own.messages; n < depth; n += 1) {
    await scene.send(other, receiver);
    if (n >= MAILBOX / 2) other = await scene.agent();
  }
}

async function sends(scene: Scene): Promise<void> {
  const [helper, friend] = [await scene.agent(), await scene.agent()];
  const left = await scene.agent();
  await scene.store.deregisterAgent(left);
  const says: Readonly<Record<SendRefusal, (ids: Record<"sender" | "receiver" | "messageId", string>) => string>> = {
    SENDER_UNKNOWN: ({ sender }) => `AGENT_NOT_FOUND: No agent ${sender} is registered.`,
    SENDER_LEFT: ({ sender }) => `AGENT_DEREGISTERED: Agent ${sender} is deregistered`,
    KEY_MISMATCH: () => "IDEMPOTENCY_MISMATCH: A message with its Idempotency-Key was",
    ID_TAKEN: ({ messageId }) => `ID_TAKEN: The id ${messageId}`,
    ID_MISMATCH: ({ messageId }) => `IDEMPOTENCY_MISMATCH: A message with ${messageId} was`,
    RECEIVER_UNKNOWN: ({ receiver }) => `AGENT_NOT_FOUND: No agent ${receiver} is registered.`,
    RECEIVER_LEFT: ({ receiver }) => `AGENT_DEREGISTERED: Agent ${receiver} is deregistered`,
    MAILBOX_FULL: ({ receiver }) => `MAILBOX_FULL: The mailbox of ${receiver} is full`,
    SHARE_USED: ({ receiver }) => `MAILBOX_FULL: The mailbox of ${receiver} is more than half full`,
  };
  const all = choices([
    [FINE, "SENDER_UNKNOWN", "SENDER_LEFT"],
    [FINE, "KEY_MISMATCH"],
    [FINE, "ID_TAKEN", "ID_MISMATCH"],
    [FINE, "RECEIVER_UNKNOWN", "RECEIVER_LEFT", "MAILBOX_FULL", "SHARE_USED"],
  ]);
  for (const chosen of all) {
    const sender = chosen.includes("SENDER_UNKNOWN") ? scene.fresh("ghost") : await scene.agent();
    const messageId = scene.fresh("m");
    // An unknown sender has sent nothing, so its id can only be another's.
    if (chosen.includes("ID_MISMATCH") && !chosen.includes("SENDER_UNKNOWN")) {
      await scene.send(sender, friend, { messageId, payload: { other: 1 } });
    } else if (chosen.includes("ID_TAKEN")) await scene.send(helper, friend, { messageId });
    const key = scene.fresh("key");
    if (chosen.includes("KEY_MISMATCH")) {
      await scene.store.sendMessages([scene.message(helper, friend, { payload: { other: 1 } }, key)]);
    }
    let receiver = await scene.agent();
    if (chosen.includes("RECEIVER_UNKNOWN")) receiver = scene.fresh("nobody");
    if (chosen.includes("RECEIVER_LEFT")) receiver = left;
    const sent = chosen.includes("SENDER_UNKNOWN") ? 0 : 2;
    if (chosen.includes("MAILBOX_FULL")) await fill(scene, receiver, MAILBOX, { sender, messages: sent });
    if (chosen.includes("SHARE_USED")) await fill(scene, receiver, 6, { sender, messages: sent });
    if (chosen.includes("SENDER_LEFT")) await scene.store.deregisterAgent(sender);
    const expected = SEND_REFUSALS.find((one) => chosen.includes(one));
    const answer = await refused(
      scene.store.sendMessages([
        scene.message(sender, receiver, { messageId }, chosen.includes("KEY_MISMATCH") ? key : undefined),
      ]),
    );
    const start = expected === undefined ? "accepted" : says[expected]({ sender, receiver, messageId });
    expect([chosen.join(" "), answer.slice(0, start.length)]).toEqual([chosen.join(" "), start]);
    // The friend's mailbox stays empty: it is there for earlier messages only.
    for (const message of await scene.receive(friend, { maxMessages: 9 }))
      await scene.settle(friend, message, "complete");
  }
}

async function assignments(scene: Scene): Promise<void> {
  const other = await scene.supervisor();
  const all = choices([
    [FINE, "AGENT_NOT_FOUND", "AGENT_DEREGISTERED", "FORBIDDEN"],
    [FINE, "ID_TAKEN", "IDEMPOTENCY_MISMATCH"],
    [FINE, "assignee"],
    [FINE, "DEPENDENCY_INVALID"],
  ]);
  // The assignee is the second AGENT_NOT_FOUND of the order.
  const ranks = ASSIGN_REFUSALS.map((code, rank) => (ASSIGN_REFUSALS.indexOf(code) === rank ? code : "assignee"));
  for (const chosen of all) {
    const [caller = FINE] = chosen;
    const supervisor = caller === "AGENT_NOT_FOUND" ? scene.fresh("ghost") : await scene.supervisor();
    const taskId = scene.fresh("t");
    const own = caller === FINE || caller === "AGENT_DEREGISTERED";
    // Only a supervisor that was there has a task of its own; another's is refused as taken.
    if (chosen.includes("IDEMPOTENCY_MISMATCH") && own) {
      await scene.submit(supervisor, { taskId, taskType: "another" });
    } else if (chosen.includes("ID_TAKEN")) await scene.submit(other, { taskId });
    if (caller === "AGENT_DEREGISTERED") await scene.store.deregisterAgent(supervisor);
    const sender = caller === "FORBIDDEN" ? await scene.agent("observer") : supervisor;
    const answer = await refused(
      scene.store.assignTask(
        scene.task(sender, {
          taskId,
          ...(chosen.includes("assignee") ? { assignTo: scene.fresh("nobody") } : {}),
          ...(chosen.includes("DEPENDENCY_INVALID") ? { dependsOn: [scene.fresh("nothing")] } : {}),
        }),
      ),
    );
    const expected = ranks.find((one) => chosen.includes(one));
    const code = expected === "assignee" ? "AGENT_NOT_FOUND: assignTo" : `${expected ?? "accepted"}`;
    expect([chosen.join(" "), answer.slice(0, code.length)]).toEqual([chosen.join(" "), code]);
  }
}

async function attempts(scene: Scene): Promise<void> {
  const supervisor = await scene.supervisor();
  const worker = await scene.worker(100);
  const left = await scene.agent("worker");
  await scene.store.deregisterAgent(left);
  const callers: Record<string, string> = {
    [FINE]: worker,
    AGENT_NOT_FOUND: scene.fresh("ghost"),
    AGENT_DEREGISTERED: left,
  };
  for (const [caller = FINE, task = FINE] of choices([Object.keys(callers), [FINE, "TASK_NOT_FOUND", "LEASE_LOST"]])) {
    const held = await scene.assign(supervisor);
    const of = {
      taskId: task === "TASK_NOT_FOUND" ? scene.fresh("nothing") : held.taskId,
      agentId: callers[caller] ?? worker,
      attempt: task === "LEASE_LOST" ? held.attempt + 1 : held.attempt,
    };
    const expected: ErrorCode | "accepted" =
      ATTEMPT_REFUSALS.find((one) => one === caller || one === task) ?? "accepted";
    const { taskId, ...call } = of;
    const verbs = {
      start: () => scene.store.startTask(taskId, call),
      progress: () => scene.store.progressTask(taskId, { ...call, percent: 1 }),
      usage: () => scene.store.reportUsage(taskId, { ...call, usage: [{ inputTokens: 1, outputTokens: 1 }] }),
      fail: () => scene.store.failTask(taskId, { ...call, error: "e", retryable: false }),
    };
    for (const [verb, act] of Object.entries(verbs)) {
      const answer = await refused(act());
      expect([verb, caller, task, answer.split(":")[0]]).toEqual([verb, caller, task, expected]);
    }
    // The attempt was failed just now where nothing spoke against it; a new one completes.
    const next = expected === "accepted" ? await scene.assign(supervisor) : held;
    const completed = await refused(
      scene.store.completeTask(expected === "accepted" ? next.taskId : taskId, {
        ...call,
        attempt: expected === "accepted" ? next.attempt : call.attempt,
        result: {},
      }),
    );
    expect(["complete", caller, task, completed.split(":")[0]]).toEqual(["complete", caller, task, expected]);
  }
}
