import type { NewAuditEntry } from "../../model/audit.ts";
import { newId } from "../../model/ids.ts";
import { actorOf, type CallContext, currentCall } from "../../trace/call-context.ts";
import type { Decide, Deciding, Decision } from "../decision.ts";
import { type Batch, type BatchResult, bigint, type Inputs, int, type Outcome, operation, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import type { Procedure } from "./procedures.ts";

/**
 * How the verbs of a subject are carried out that are rules of ../rules: one procedure reads, the rule decides, another one writes
 * if everything is still as it was read, or has lost a race; then all of it begins again.
 *
 * The writing procedure notes its call's operation, and which try of it that is, in the same transaction. So a call whose
 * answer was lost learns from the next reading that it was done, and gives the answer that it had decided on then.
 */
export interface Subject<Ask, Seen, Change> {
  /** For traces, and for what waits for each other: "channels". */
  name: string;
  /** Includes parts/find-decision.sql, which gives its first recordset. */
  read: Procedure;
  ask(ask: Ask): Inputs;
  /** What the other recordsets say. */
  see(result: BatchResult, ask: Ask): Seen;
  /** Includes parts/begin-decided.sql and parts/keep-decision.sql. */
  write(change: Change, ask: Ask): { sql: Procedure; inputs: Inputs };
  /** Calls of the same key go one after the other. */
  key(ask: Ask): string;
}

interface Call<Ask, Seen, Change> {
  ask: Ask;
  rule(seen: Seen, deciding: Deciding): Decision<unknown, Change>;
  context: CallContext;
  operationId: string;
  /** What was decided, in each try that was sent to be written. */
  answers: unknown[];
}

/** The first recordset of every reading procedure. */
interface Progress {
  now: number;
  /** The try that was written. */
  done: number | null;
}

/** The verbs of a subject; those of one key go one after the other. */
export function decideBy<Ask, Seen, Change>(
  connection: Connection,
  subject: Subject<Ask, Seen, Change>,
): Decide<Ask, Seen, Change> {
  const batch: Batch<Call<Ask, Seen, Change>, unknown> = {
    name: subject.name,
    sql: subject.read,
    encode: () => ({}),
    inputs: ([call]) =>
      call === undefined ? {} : { operation: operation(call.operationId), ...subject.ask(call.ask) },
    decode: (result, calls) => calls.map((call) => decideOne(subject, result, call)),
    maxItems: 1,
    conflictKey: ({ ask }) => subject.key(ask),
  };
  return <Answer>(ask: Ask, rule: (seen: Seen, deciding: Deciding) => Decision<Answer, Change>) => {
    const operationId = newId(connection.clock.now());
    const call = { ask, rule, context: currentCall(), operationId, answers: [] };
    // The answer is one that this rule has given.
    return connection.run(batch, call) as Promise<Answer>;
  };
}

function decideOne<Ask, Seen, Change>(
  subject: Subject<Ask, Seen, Change>,
  result: BatchResult,
  call: Call<Ask, Seen, Change>,
): Outcome<unknown> {
  const [progress] = result.rows<Progress>(0);
  if (progress === undefined) throw new Error(`${subject.name}: nothing was said of the operation`);
  const { now, done } = progress;
  if (done !== null) return { value: call.answers[done] };
  const { ask, rule, context, operationId, answers } = call;
  const decided = rule(subject.see(result, ask), { now, actorOf: (named) => actorOf(named, context) });
  if (decided.change === undefined) return { value: decided.answer };
  const nth = answers.push(decided.answer) - 1;
  const { sql, inputs } = subject.write(decided.change, ask);
  const entries = encodeEntries(decided.entries ?? [], actorOf(undefined, context));
  const kept = { operation: operation(operationId), try: int(nth), now: bigint(now), entries: text(entries) };
  return { value: decided.answer, write: { sql, inputs: { ...kept, ...inputs } } };
}

/** Entries of the audit as procedures take them, in @entries. @param caller the actor of those that name none */
export function encodeEntries(entries: readonly NewAuditEntry[], caller: string): string {
  const rows = entries.map(({ actor = caller, action, subjectKind, subjectId, detail = {} }, n) => ({
    n,
    actor,
    action,
    subject_kind: subjectKind,
    subject_id: subjectId,
    detail: itemJson({ ...detail }),
  }));
  return JSON.stringify(rows);
}
