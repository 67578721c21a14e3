import { randomUUID } from "node:crypto";
import { readConfig, storeSettings } from "../../../src/lib/config/config.ts";
import { registerAgentSchema } from "../../../src/lib/model/agent.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { NewSettlement, Store } from "../../../src/lib/store/store.ts";
import { newMessage, newTask } from "../../contract/support.ts";
import { AGENTS, type Event, LEASE_MILLISECONDS, WORKERS } from "./hammer-events.ts";

/**
 * A process of its own that works on a store file as hard as it can and prints, line by line, what the store answered.
 * Writing to a pipe is synchronous, so a line that was printed is an answer that was given, however the process ends.
 *
 * node hammer.ts <file> <name> <milliseconds>
 */

const [file = "", name = "", milliseconds = "0"] = process.argv.slice(2);
const end = performance.now() + Number(milliseconds);
/** Bounds the work of a fast machine; no loop below goes on beyond it. */
const MAX_ROUNDS = 600;
/** Unlike the test's own randomness these may be anything: what is checked holds for every interleaving. */
const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(Math.random() * items.length)] as Item;

function say(event: Event): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const store: Store = openSqliteStore({ file, settings: storeSettings(readConfig({})), clock: systemClock });

async function send(): Promise<void> {
  const count = 1 + Math.floor(Math.random() * 4);
  const messages = Array.from({ length: count }, () =>
    newMessage({
      messageId: `${name}:${randomUUID()}`,
      sender: pick(AGENTS),
      receiver: pick(AGENTS),
      type: "notification",
      payload: { text: "x".repeat(200) },
      priority: pick(["low", "normal", "high", "urgent"]),
      orderingKey: Math.random() < 0.2 ? pick(["k1", "k2", "k3"]) : undefined,
      maxAttempts: 100,
    }),
  );
  for (const { messageId } of await store.sendMessages(messages)) say({ event: "sent", messageId });
}

async function receive(): Promise<void> {
  const agentId = pick(AGENTS);
  const claim = { agentId, maxMessages: 4, leaseMilliseconds: LEASE_MILLISECONDS, maxBytes: 1_048_576 };
  const { messages } = await store.claimMessages(claim);
  for (const message of messages) {
    const { messageId, attempt, type } = message;
    say({ event: "leased", messageId, attempt, type, until: Date.parse(message.leaseExpiresAt) });
  }
  const settlements = messages.flatMap(({ messageId, attempt }): NewSettlement[] => {
    const chance = Math.random();
    // Some are left to their lease's end.
    if (chance < 0.1) return [];
    const outcome = chance < 0.3 ? ("retry" as const) : ("complete" as const);
    return [{ messageId, attempt, outcome, delayMilliseconds: outcome === "retry" ? 0 : undefined }];
  });
  if (settlements.length === 0) return;
  for (const { messageId, attempt, outcome } of settlements) say({ event: "settling", messageId, attempt, outcome });
  const results = await store.settleMessages(agentId, settlements);
  for (const [index, { messageId, status }] of results.entries()) {
    const { attempt = 0, outcome = "complete" } = settlements[index] ?? {};
    say({ event: "settled", messageId, attempt, outcome, status });
  }
}

async function assign(): Promise<void> {
  const taskId = `${name}:${randomUUID()}`;
  await store.assignTask(
    newTask({ taskId, supervisor: "boss", taskType: "work", requiredCapabilities: ["hammering"] }),
  );
  say({ event: "assigned", taskId });
}

async function work(): Promise<void> {
  const agentId = pick(WORKERS);
  const { tasks } = await store.heartbeat({ agentId });
  const task = tasks[Math.floor(Math.random() * tasks.length)];
  if (task === undefined) return;
  const { taskId, attempt } = task;
  await store.completeTask(taskId, { agentId, attempt, result: { by: name } });
  say({ event: "finished", taskId, attempt });
}

async function loop(act: () => Promise<void>): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS && performance.now() < end; round++) {
    try {
      await act();
    } catch (error) {
      // The other process may have been quicker, or hold the file; anything else is a defect.
      if (isAgentCommunicationError(error, "LEASE_LOST")) continue;
      if (isAgentCommunicationError(error, "STORE_UNAVAILABLE")) say({ event: "unavailable" });
      else say({ event: "defect", message: error instanceof Error ? String(error.stack) : String(error) });
    }
  }
}

for (const agentId of AGENTS) {
  const role = agentId === "boss" ? "supervisor" : "worker";
  const agent = { agentId, role, capabilities: ["hammering"], maxConcurrentTasks: 3 };
  await store.registerAgent(registerAgentSchema.parse(agent));
}
say({ event: "ready" });
await Promise.all([send, send, receive, receive, receive, assign, work, work].map(loop));
await store.close();
say({ event: "done" });
