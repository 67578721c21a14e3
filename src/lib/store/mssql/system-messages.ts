import { partOfText } from "./procedure-files.ts";
import { BIN2 } from "./transaction.ts";

/** Messages that the switchboard writes itself: sender `system`, past any mailbox limit. */

/** Messages accepted under one number of the sequence: arrival = number × this + place. */
export const ARRIVALS_PER_NUMBER = 4_096;

const DEPENDENCY_BYTES = partOfText("dependency-bytes").trimEnd();

/** At least the bytes of a text in UTF-8. */
const textBytes = (text: string): string =>
  `LEN(${text}) * CASE WHEN ${text} ${BIN2} LIKE N'%[^ -~]%' THEN 3 ELSE 1 END`;

/** What an assignment message gets from its task when it is read, in bytes: it counts as payload. */
export function joinedBytes(taskNo: string): string {
  const body = `(SELECT ${textBytes("j.description")} + ${textBytes("j.parameters")} FROM dbo.task_bodies AS j WHERE j.task_no = ${taskNo})`;
  return `${body} + ${DEPENDENCY_BYTES.replaceAll("p.task_no", taskNo)}`;
}
