import type { SuspendReply } from "../../model/suspension.ts";
import { answerOfArchived } from "../archived-attempts.ts";
import { askedOfNotFound, badWakeTime, suspensionMismatch, tooManySuspensions } from "../question-refusals.ts";
import type { Sealed, Suspension } from "../store.ts";
import type { StoredAnswer } from "../task-records.ts";
import type { TaskValueName } from "../task-values.ts";
import type { Outcome, OutcomeRow } from "./batch.ts";
import { itemJson } from "./item-text.ts";
import { type Call, refusal } from "./task-calls.ts";

/** What the ways of suspending a task have in common: values that it leaves, and the answer. */

/** What @items has of values; what is not there is left out, for some servers read a null of JSON as a text. */
export function encodeValues(values: Partial<Record<TaskValueName, Sealed | undefined>>) {
  return {
    values: Object.entries(values).flatMap(([name, sealed]) =>
      sealed === undefined
        ? []
        : [
            {
              name,
              value: itemJson(sealed.value),
              ...(sealed.keyVersion === undefined ? {} : { key_version: sealed.keyVersion }),
            },
          ],
    ),
  };
}

export interface SuspendedRow extends OutcomeRow {
  inactive: boolean;
  answer: string | null;
  archived: string | null;
}

/** What the call is answered, and whether its agent, which had fallen silent, is to be woken. */
export interface Suspended {
  reply: SuspendReply;
  wakes: boolean;
}

/** What the call is answered, or why it is refused. */
export function decodeSuspension(row: SuspendedRow, call: Call<Suspension>): Outcome<Suspended> {
  const { taskId, body } = call;
  const answer = storedAnswer(row, body);
  if (answer !== undefined) {
    // The ids of children are read beside it.
    const { untilHash, suspension: _, ...reply } = answer;
    if (untilHash === body.untilHash) return { value: { reply: { taskId, ...reply }, wakes: row.inactive } };
    return { refusal: suspensionMismatch(taskId, body.attempt, untilHash ?? "") };
  }
  switch (row.code) {
    case "IDEMPOTENCY_MISMATCH":
      return { refusal: suspensionMismatch(taskId, body.attempt, row.subject ?? "") };
    case "SUSPENSION_LIMIT":
      return { refusal: tooManySuspensions(taskId) };
    case "ASKED_OF":
      return { refusal: askedOfNotFound(row.subject ?? "") };
    case "INVALID_REQUEST":
      return { refusal: badWakeTime() };
    default:
      return refusal(row.code ?? "LEASE_LOST", call);
  }
}

/** What the first call was answered; in the archive, too. */
function storedAnswer({ answer, archived }: SuspendedRow, caller: Suspension): StoredAnswer | undefined {
  if (answer !== null) return JSON.parse(answer);
  const known = archived === null ? undefined : answerOfArchived(archived, caller).answer;
  return known?.untilHash === undefined ? undefined : known;
}
