import { type Correction, type CorrectionPosition, nextCorrection } from "../clock-steps.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** Finds and corrects times that the server's clock has left in the future: after a fail-over, or where it is set by hand. */

type CorrectBatch = Batch<{ after: number }, { done: number; next: number | null }>;

function walk(table: CorrectionPosition["table"]): CorrectBatch {
  return upkeepStep<{ after: number }, { done: number; next: number | null }>({
    name: `correct-${table}`,
    encode: ({ after }) => ({ after }),
    sql: procedure(`correct_${table}`),
  });
}

const MESSAGES = walk("messages");
const TASKS = walk("tasks");
/** The last step forgets the rate's seconds that lie ahead. */
const AGENTS = walk("agents");

const WALKS: Readonly<Record<CorrectionPosition["table"], CorrectBatch>> = {
  messages: MESSAGES,
  tasks: TASKS,
  agents: AGENTS,
};

/** Corrects the next rows of a walk. */
export async function correctTimes(connection: Connection, { table, after }: CorrectionPosition): Promise<Correction> {
  const { done, next } = await connection.run(WALKS[table], { after });
  return { corrected: done, next: nextCorrection(table, next ?? undefined) };
}
