import { median, medianRatio, printTable, rate, ratio, whole } from "../figures.ts";
import type { Bench } from "./databases.ts";
import { type HeldMessage, nth, type Verbs } from "./verbs.ts";

/** What concurrent callers in one process get compared with a single one: their calls share batches. */

export const CALLERS = 64;
/** Calls of the single caller in a round, and of each of the many. */
const ALONE = 40;
const EACH = 5;

/** The mailboxes of the callers: one each, since the claims of one mailbox go one after the other. */
export const mailboxOf = (caller: number): string => `caller-${caller}`;
const CAPABILITIES = ["common", "kind-1"];

type Rates = Map<string, number>;

/** `callers` that make `each` calls one after the other. */
async function inParallel(callers: number, each: number, call: (caller: number, index: number) => Promise<unknown>) {
  const lane = async (caller: number) => {
    for (let index = 0; index < each; index += 1) await call(caller, index);
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => lane(caller)));
}

async function measure(verbs: Verbs, callers: number, each: number): Promise<Rates> {
  const rates: Rates = new Map();
  const held: HeldMessage[] = [];
  const timed = async (name: string, call: (caller: number, index: number) => Promise<unknown>) => {
    rates.set(name, await rate(callers * each, () => inParallel(callers, each, call)));
  };
  await timed("send", (caller) => verbs.send(mailboxOf(caller)));
  await timed("receive", async (caller, index) => {
    held[caller * each + index] = await verbs.receive(mailboxOf(caller));
  });
  await timed("complete message", (caller, index) => verbs.completeMessage(nth(held, caller * each + index)));
  await timed("heartbeat", (caller) => verbs.heartbeat(mailboxOf(caller)));
  await timed("assign, start and complete a task", async () => {
    const task = await verbs.assign(CAPABILITIES);
    await verbs.start(task);
    await verbs.completeTask(task);
  });
  return rates;
}

export async function benchCallers(bench: Bench, rounds: number): Promise<void> {
  const alone: Rates[] = [];
  const together: Rates[] = [];
  // The first two rounds let every session read every text once.
  for (let index = -2; index < rounds; index += 1) {
    const rates = [await measure(bench.store, 1, ALONE), await measure(bench.store, CALLERS, EACH)] as const;
    if (index < 0) continue;
    alone.push(rates[0]);
    together.push(rates[1]);
  }
  printTable(
    `${CALLERS} callers in one process compared with one: calls/s (${rounds} interleaved rounds, medians)`,
    ["verb", "1 caller", `${CALLERS} callers`, "ratio", "target"],
    [...(alone[0]?.keys() ?? [])].map((name) => {
      const one = alone.map((rates) => rates.get(name) ?? Number.NaN);
      const many = together.map((rates) => rates.get(name) ?? Number.NaN);
      return [name, whole(median(one)), whole(median(many)), ratio(medianRatio(many, one)), "≥ 5"];
    }),
  );
}
