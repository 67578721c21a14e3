import { median, medianRatio, printTable, ratio } from "../figures.ts";
import type { Bench } from "./databases.ts";
import { type HeldMessage, type HeldTask, nth, type Verbs } from "./verbs.ts";

/** Each verb of the store compared with the hand-written batch: one caller, one session each, on the same rows. */

/** Calls of each verb in a round, in blocks so that both ways meet the same minute. */
const CALLS = 20;
const CAPABILITIES = ["common", "kind-1"];

type Way = "store" | "before" | "hand";
/** Milliseconds of a call. */
type Times = Map<string, number>;

interface Round {
  times: Record<Way, Times>;
  /** Bytes sent per call. */
  bytes: Record<"store" | "before", Map<string, number>>;
}

async function timed<T>(times: Times, name: string, call: (index: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < CALLS; index += 1) answers.push(await call(index));
  times.set(name, (performance.now() - startedAt) / CALLS);
  return answers;
}

interface Hands {
  times: Times;
  verbs: Verbs;
  mailbox: string;
  messages: HeldMessage[];
  tasks: HeldTask[];
}

/** The verbs in an order in which each leaves what the next one needs. */
const STEPS: readonly (readonly [string, (hands: Hands) => Promise<unknown>])[] = [
  ["send", ({ times, verbs, mailbox }) => timed(times, "send", () => verbs.send(mailbox))],
  [
    "receive",
    async (hands) => {
      hands.messages = await timed(hands.times, "receive", () => hands.verbs.receive(hands.mailbox));
    },
  ],
  ["renew", ({ times, verbs, messages }) => timed(times, "renew", (index) => verbs.renew(nth(messages, index)))],
  [
    "complete message",
    ({ times, verbs, messages }) =>
      timed(times, "complete message", (index) => verbs.completeMessage(nth(messages, index))),
  ],
  ["heartbeat", ({ times, verbs, mailbox }) => timed(times, "heartbeat", () => verbs.heartbeat(mailbox))],
  [
    "assign",
    async (hands) => {
      hands.tasks = await timed(hands.times, "assign", () => hands.verbs.assign(CAPABILITIES));
    },
  ],
  ["start", ({ times, verbs, tasks }) => timed(times, "start", (index) => verbs.start(nth(tasks, index)))],
  [
    "complete task",
    ({ times, verbs, tasks }) => timed(times, "complete task", (index) => verbs.completeTask(nth(tasks, index))),
  ],
  [
    "fail task",
    async ({ times, verbs }) => {
      const tasks: HeldTask[] = [];
      for (let index = 0; index < CALLS; index += 1) {
        const task = await verbs.assign(CAPABILITIES);
        await verbs.start(task);
        tasks.push(task);
      }
      await timed(times, "fail task", (index) => verbs.failTask(nth(tasks, index)));
    },
  ],
];

async function round(bench: Bench, index: number): Promise<Round> {
  const hands = (verbs: Verbs, mailbox: string): Hands => ({
    times: new Map(),
    verbs,
    mailbox,
    messages: [],
    tasks: [],
  });
  const all: Partial<Record<Way, Hands>> = {
    store: hands(bench.store, "by-store"),
    hand: hands(bench.hand, "by-hand"),
    ...(bench.before === undefined ? {} : { before: hands(bench.before.store, "by-store") }),
  };
  const bytes: Record<"store" | "before", Map<string, number>> = { store: new Map(), before: new Map() };
  // Who goes first takes turns, too.
  const order: readonly Way[] = ["store", "before", "hand"];
  const ways = [...order.slice(index % 3), ...order.slice(0, index % 3)];
  for (const [name, step] of STEPS) {
    for (const way of ways) {
      const of = all[way];
      if (of === undefined) continue;
      const sent = way === "store" ? bench.sent : way === "before" ? bench.before?.sent : undefined;
      const from = sent?.total() ?? 0;
      await step(of);
      if (sent !== undefined && way !== "hand") bytes[way].set(name, (sent.total() - from) / CALLS);
    }
  }
  const timesOf = (way: Way): Times => all[way]?.times ?? new Map();
  return { times: { store: timesOf("store"), before: timesOf("before"), hand: timesOf("hand") }, bytes };
}

/** Times a verb may take of the build before: those that wrote much are to gain most. */
const TO_BEFORE: Readonly<Record<string, string>> = { "complete task": "≤ 0.25", "fail task": "≤ 0.25" };
/** Times it may take of the batch by hand. */
const TO_HAND: Readonly<Record<string, string>> = { "complete task": "≤ 3.0", "fail task": "≤ 3.0" };

export async function benchPairs(bench: Bench, rounds: number): Promise<void> {
  const all: Round[] = [];
  // In the first round each session reads its texts and procedures for the first time.
  for (let index = -1; index < rounds; index += 1) {
    const measured = await round(bench, index + 1);
    if (index >= 0) all.push(measured);
  }
  const times = (name: string, way: Way): number[] => all.map((one) => one.times[way].get(name) ?? Number.NaN);
  const figure = (values: readonly number[]): string => median(values).toFixed(1);
  const sent = (name: string, way: "store" | "before"): string =>
    median(all.map((one) => one.bytes[way].get(name) ?? Number.NaN)).toFixed(0);
  printTable(
    `Each verb beside a hand-written batch that writes the same rows${bench.before === undefined ? "" : ", and beside the build before"}: milliseconds per call, one caller (${rounds} interleaved rounds of ${CALLS} calls, medians)`,
    ["verb", "store", "before", "ratio", "target", "by hand", "ratio", "target", "bytes sent", "before"],
    STEPS.map(([name]) => [
      name,
      figure(times(name, "store")),
      figure(times(name, "before")),
      ratio(medianRatio(times(name, "store"), times(name, "before"))),
      TO_BEFORE[name] ?? "≤ 0.50",
      figure(times(name, "hand")),
      ratio(medianRatio(times(name, "store"), times(name, "hand"))),
      TO_HAND[name] ?? "≤ 2.0",
      sent(name, "store"),
      sent(name, "before"),
    ]),
  );
}
