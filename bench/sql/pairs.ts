import { median, medianRatio, printTable, ratio } from "../figures.ts";
import type { Bench } from "./databases.ts";
import { type HeldMessage, type HeldTask, nth, type Verbs } from "./verbs.ts";

/** Each verb of the store compared with the hand-written batch: one caller, one session each, on the same rows. */

/** Calls of each verb in a round, in blocks so that both ways meet the same minute. */
const CALLS = 20;
const CAPABILITIES = ["common", "kind-1"];

type Way = "store" | "hand";
/** Milliseconds of a call. */
type Times = Map<string, number>;

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

async function round(bench: Bench, index: number): Promise<Record<Way, Times>> {
  const times: Record<Way, Times> = { store: new Map(), hand: new Map() };
  const hands: Record<Way, Hands> = {
    store: { times: times.store, verbs: bench.store, mailbox: "by-store", messages: [], tasks: [] },
    hand: { times: times.hand, verbs: bench.hand, mailbox: "by-hand", messages: [], tasks: [] },
  };
  // Who goes first takes turns, too.
  const ways: readonly Way[] = index % 2 === 0 ? ["store", "hand"] : ["hand", "store"];
  for (const [, step] of STEPS) for (const way of ways) await step(hands[way]);
  return times;
}

/** The time that each call's text takes when nothing of it runs. */
async function textTimes(bench: Bench): Promise<Record<Way, Times>> {
  const times: Record<Way, Times> = { store: new Map(), hand: new Map() };
  const message = { agentId: "by-hand", messageId: "none", attempt: 1 };
  const task = { taskId: "none", agentId: "by-hand", attempt: 1 };
  for (const way of ["store", "hand"] as const) {
    const verbs: Verbs = bench[way];
    const calls: Record<string, () => Promise<unknown>> = {
      send: () => verbs.send("by-hand"),
      receive: () => verbs.receive("by-hand"),
      renew: () => verbs.renew(message),
      "complete message": () => verbs.completeMessage(message),
      heartbeat: () => verbs.heartbeat("by-hand"),
      assign: () => verbs.assign(CAPABILITIES),
      start: () => verbs.start(task),
      "complete task": () => verbs.completeTask(task),
      "fail task": () => verbs.failTask(task),
    };
    for (const [name, call] of Object.entries(calls)) {
      await timed(new Map(), name, () => bench.textCost.of(call));
      await timed(times[way], name, () => bench.textCost.of(call));
    }
  }
  return times;
}

export async function benchPairs(bench: Bench, rounds: number): Promise<void> {
  const all: Record<Way, Times>[] = [];
  // The first round reads every text for the first time.
  for (let index = -1; index < rounds; index += 1) {
    const times = await round(bench, index + 1);
    if (index >= 0) all.push(times);
  }
  const texts = await textTimes(bench);
  const figure = (value: number | undefined): string => (value ?? Number.NaN).toFixed(1);
  printTable(
    `Each verb compared with a hand-written batch that writes the same rows: milliseconds per call, one caller (${rounds} interleaved rounds of ${CALLS} calls, medians)`,
    ["verb", "store", "by hand", "ratio", "target", "of which reading the text: store", "by hand"],
    STEPS.map(([name]) => {
      const store = all.map((times) => times.store.get(name) ?? Number.NaN);
      const hand = all.map((times) => times.hand.get(name) ?? Number.NaN);
      return [
        name,
        figure(median(store)),
        figure(median(hand)),
        ratio(medianRatio(store, hand)),
        "≤ 1.25",
        figure(texts.store.get(name)),
        figure(texts.hand.get(name)),
      ];
    }),
  );
}
