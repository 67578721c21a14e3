import { actorOf } from "../../trace/call-context.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import type { Heartbeat, HeartbeatAnswer } from "../store.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import type { Procedure } from "./procedures.ts";
import { procedure } from "./procedures.ts";

/**
 * Heartbeats (a file apart from agents.ts, which would be too long with them): one text for the beats that change nothing but
 * the time, a longer one for those that change the status or the capacity. The first is sent thousands of times as often,
 * and is kept to five statements.
 */

const BEATS = procedure("heartbeats");

const CHANGING_BEATS = procedure("heartbeats_with_changes");

interface BeatOutcome extends OutcomeRow {
  status: HeartbeatAnswer["status"];
  changes: boolean;
  pending: number;
  own_timeout: number | null;
  urgent: number;
}

interface LiveTask {
  item: number;
  task_id: string;
  attempt: number;
  cancel_requested: boolean;
}

/** The reply, or nothing when the beat has to be told by the longer text. */
function decode(final: boolean) {
  return (result: BatchResult, beats: readonly Heartbeat[]): Outcome<HeartbeatAnswer | undefined>[] => {
    const tasks = result.byItem<LiveTask>(1);
    return outcomeRows<BeatOutcome>(result, beats).map(
      ({ item, code, status, changes, pending, own_timeout, urgent }, position) => {
        const agentId = beats[position]?.agentId ?? "";
        if (code === "AGENT_NOT_FOUND") return { refusal: agentNotFound(agentId) };
        if (code === "AGENT_DEREGISTERED") return { refusal: agentDeregistered(agentId) };
        if (changes && !final) return { value: undefined };
        const live = (tasks.get(item) ?? []).map((task) => ({
          taskId: task.task_id,
          attempt: task.attempt,
          cancelRequested: task.cancel_requested,
        }));
        const answer = { status, heartbeatTimeoutSeconds: own_timeout, pendingMessages: pending, tasks: live };
        return { value: urgent > 0 ? { ...answer, attention: true } : answer };
      },
    );
  };
}

function batch(name: string, sql: Procedure, final: boolean): Batch<Heartbeat, HeartbeatAnswer | undefined> {
  return {
    name,
    sql,
    encode: ({ agentId, status, maxConcurrentTasks }) => ({
      agentId,
      status: status ?? null,
      maxConcurrentTasks: maxConcurrentTasks ?? null,
      ...(final ? { actor: actorOf(agentId) } : {}),
    }),
    decode: decode(final),
    maxItems: 200,
    conflictKey: (beat) => beat.agentId,
  };
}

const BEAT = batch("heartbeats", BEATS, false);
const CHANGING_BEAT = batch("heartbeats with changes", CHANGING_BEATS, true);

/**
 * One round trip; a second one when the agent had fallen silent, which only the first can tell.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export async function heartbeat(connection: Connection, beat: Heartbeat): Promise<HeartbeatAnswer> {
  const changes = beat.status !== undefined || beat.maxConcurrentTasks !== undefined;
  const reply = changes ? undefined : await connection.run(BEAT, beat);
  return reply ?? changeBeat(connection, beat);
}

/** A heartbeat that may change the status, be it from inactive to active. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
export async function changeBeat(connection: Connection, beat: Heartbeat): Promise<HeartbeatAnswer> {
  const reply = await connection.run(CHANGING_BEAT, beat);
  if (reply === undefined) throw new Error("a heartbeat with changes was not answered");
  return reply;
}
