import type { Explanation } from "../../model/explanation.ts";
import { newId } from "../../model/ids.ts";
import { readExplanation } from "../explanations.ts";
import type { NewTask } from "../store.ts";
import { int, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { encodeNewTask, type NewTaskRow, refusalOf } from "./new-tasks.ts";
import { procedure } from "./procedures.ts";

/**
 * Who gets a task, and the one way in which an agent gets it. A batch first plans: it weighs one task after the other, each
 * as if those before it were assigned already. Then one transaction takes the room of all chosen agents and writes all
 * that follows; when an agent has lost its room since, the plan is made again. So a batch of 64 calls commits once.
 */

const PREVIEW = procedure("preview_assignment");

/**
 * What assignTask would weigh and choose now, as if every dependency had completed; writes nothing.
 *
 * @throws what assignTask throws
 */
export async function previewAssignment(connection: Connection, task: NewTask): Promise<Explanation> {
  const item = { item: 0, ...encodeNewTask({ task, operationId: newId(connection.clock.now()), plain: false }) };
  // A preview does not count as a heartbeat: how old that is makes no difference.
  const inputs = { renewalMilliseconds: int(0), items: text(JSON.stringify([item])) };
  const result = await connection.query(PREVIEW, inputs);
  const [row] = result.rows<NewTaskRow & { explanation: string }>(0);
  if (row === undefined) throw new Error("the preview has no row");
  const refusal = refusalOf(row, task);
  if (refusal !== undefined) throw refusal;
  return readExplanation(row.explanation);
}
