import { median, medianRatio, printTable, ratio } from "../figures.ts";
import type { Bench } from "./databases.ts";
import { type HeldMessage, type HeldTask, nth, type Verbs } from "./verbs.ts";

/** What a call costs in a large database compared with a small one, in interleaved rounds. */

const CALLS = 20;
const MAILBOX = "measured";
const CAPABILITIES = ["common", "kind-1"];

type Costs = Map<string, number>;

/** Milliseconds per call. The mailbox is the one with delayed and held messages. */
async function measure(verbs: Verbs): Promise<Costs> {
  const costs: Costs = new Map();
  const timed = async <T>(name: string, call: (index: number) => Promise<T>): Promise<T[]> => {
    const answers: T[] = [];
    const startedAt = performance.now();
    for (let index = 0; index < CALLS; index += 1) answers.push(await call(index));
    costs.set(name, (performance.now() - startedAt) / CALLS);
    return answers;
  };
  await timed("send", () => verbs.send(MAILBOX));
  const messages: HeldMessage[] = await timed("receive", () => verbs.receive(MAILBOX));
  await timed("renew", (index) => verbs.renew(nth(messages, index)));
  await timed("complete message", (index) => verbs.completeMessage(nth(messages, index)));
  await timed("heartbeat", () => verbs.heartbeat(MAILBOX));
  const tasks: HeldTask[] = await timed("assign", () => verbs.assign(CAPABILITIES));
  await timed("start", (index) => verbs.start(nth(tasks, index)));
  await timed("complete task", (index) => verbs.completeTask(nth(tasks, index)));
  return costs;
}

/** @param title what large and small mean */
export async function benchFlat(small: Bench, large: Bench, rounds: number, title: string): Promise<void> {
  const before: Costs[] = [];
  const after: Costs[] = [];
  for (let index = -1; index < rounds; index += 1) {
    // Who goes first takes turns.
    const order = index % 2 === 0 ? [small, large] : [large, small];
    for (const bench of order) {
      const costs = await measure(bench.store);
      if (index >= 0) (bench === small ? before : after).push(costs);
    }
  }
  printTable(
    `${title}: milliseconds per call, one caller (${rounds} interleaved rounds of ${CALLS} calls, medians)`,
    ["verb", "small", "large", "ratio", "target"],
    [...(before[0]?.keys() ?? [])].map((name) => {
      const few = before.map((costs) => costs.get(name) ?? Number.NaN);
      const many = after.map((costs) => costs.get(name) ?? Number.NaN);
      return [name, median(few).toFixed(1), median(many).toFixed(1), ratio(medianRatio(many, few)), "≤ 1.2"];
    }),
  );
}
