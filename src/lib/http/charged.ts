import { LONG_REQUEST_BYTES, nextRound } from "../base/event-loop.ts";
import type { Caller } from "../gates/caller.ts";
import type { Services } from "../services.ts";
import { processorWatch } from "../trace/processor-watch.ts";
import type { RawReply } from "./problem.ts";
import { extraCost } from "./request-cost.ts";
import type { Route } from "./route.ts";

/** What a request takes of the process: its turn among the long ones, and the charge to its caller. */

/** What a request takes. */
export interface Cost {
  /** Of the processor, for parsing and checking. */
  milliseconds: number;
  /** Of the body, and of the reply. */
  bytes: number;
}

/** What a route declares of itself that makes its calls take turns. */
type Long = Pick<Route, "longWork" | "longReply">;

/**
 * The turn of a call among the long ones.
 *
 * @param bytes of its body
 * @returns resolves when it is its turn; undefined when it need not wait, as nearly always
 */
export function turnOf(services: Services, caller: Caller, bytes: number, route: Long): Promise<void> | undefined {
  const who = "credentialId" in caller ? caller.credentialId : undefined;
  const turn = services.turns.next(bytes, route.longWork === true || services.gate.isDear?.(caller), who);
  return route.longReply === true ? replyTurnOf(services, who, turn) : turn;
}

async function replyTurnOf(services: Services, who: string | undefined, turn: Promise<void> | undefined) {
  await turn;
  await services.replyTurns.next(0, true, who);
}

/**
 * Carries a request out in its turn, and charges its caller for what it has taken beyond an ordinary one.
 *
 * @param bytes of its body
 */
export async function charged(
  services: Services,
  caller: Caller,
  bytes: number,
  work: (cost: Cost) => Promise<RawReply>,
  route: Long = {},
): Promise<RawReply> {
  const turn = turnOf(services, caller, bytes, route);
  if (turn !== undefined) await turn;
  const cost = { milliseconds: 0, bytes };
  try {
    const reply = await work(cost);
    cost.bytes += reply.text.length;
    return reply;
  } finally {
    const extra = extraCost(cost.bytes, cost.milliseconds);
    if (extra > 0) services.gate.charge?.(caller, extra);
  }
}

/**
 * The result of work in steps. For a long body everything else that has arrived is served between the steps, and is not charged to this
 * caller.
 *
 * @param bytes of the body
 */
export function inSteps<Result>(
  steps: Generator<undefined, Result>,
  bytes: number,
  cost: Cost,
): Result | Promise<Result> {
  return bytes < LONG_REQUEST_BYTES ? atOnce(steps, cost) : inRounds(steps, cost);
}

function atOnce<Result>(steps: Generator<undefined, Result>, cost: Cost): Result {
  const elapsed = processorWatch();
  try {
    for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
  } finally {
    cost.milliseconds += elapsed();
  }
}

async function inRounds<Result>(steps: Generator<undefined, Result>, cost: Cost): Promise<Result> {
  for (;;) {
    const elapsed = processorWatch();
    let step: IteratorResult<undefined, Result>;
    try {
      step = steps.next();
    } finally {
      cost.milliseconds += elapsed();
    }
    await nextRound();
    if (step.done === true) return step.value;
  }
}
