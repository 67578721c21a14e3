import type { TaskStatus } from "../../../src/lib/model/task-status.ts";
import type { EventRow, TaskRow } from "./fleet-rows.ts";

/**
 * One task as its history tells it. The events have to follow each other as docs/tasks.md has it, and come to what the row of the task
 * says: whatever was lost, repeated or done at once.
 */

type Phase = "new" | "waiting" | "assigned" | "running" | "asked" | "completed" | "failed" | "cancelled";

const LIVE: readonly Phase[] = ["assigned", "running"];
const OPEN: readonly Phase[] = ["waiting", "asked", ...LIVE];
/** From which phases each event can happen, and where it leads; undefined: it stays. */
const STEPS: Readonly<Record<EventRow["event"], { from: readonly Phase[]; to?: Phase }>> = {
  created: { from: ["new"], to: "waiting" },
  unblocked: { from: ["waiting"] },
  assigned: { from: ["waiting"], to: "assigned" },
  started: { from: ["assigned"], to: "running" },
  progress: { from: ["running"] },
  requeued: { from: LIVE, to: "waiting" },
  suspended: { from: LIVE, to: "waiting" },
  asked: { from: ["waiting"], to: "asked" },
  answered: { from: ["asked"], to: "waiting" },
  question_timed_out: { from: ["asked"], to: "waiting" },
  cancel_requested: { from: ["running"] },
  completed: { from: ["waiting", ...LIVE], to: "completed" },
  failed: { from: OPEN, to: "failed" },
  cancelled: { from: OPEN, to: "cancelled" },
  reopened: { from: ["failed", "cancelled"], to: "waiting" },
};
const PHASES: Readonly<Record<TaskStatus, Phase>> = {
  blocked: "waiting",
  pending: "waiting",
  assigned: "assigned",
  running: "running",
  input_required: "asked",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

export class TaskStory {
  readonly taskId: string;
  row: TaskRow;
  lastEventNo = 0;
  #phase: Phase = "new";
  #attempt = 0;
  #suspensions = 0;
  #questionId: string | undefined;
  readonly #closed = new Set<string>();
  /** In which attempt it was last open again. */
  reopenedAt: number | undefined;
  /** Ends that the supervisor is told of by a message. */
  toldEnds = 0;
  /** Whether it was cancelled at the last look; then nothing but a retry may hand it out again. */
  #cancelAsked = false;

  constructor(row: TaskRow) {
    this.taskId = row.task_id;
    this.row = row;
  }

  get ended(): boolean {
    return this.#phase === "completed" || this.#phase === "failed" || this.#phase === "cancelled";
  }

  get live(): boolean {
    return LIVE.includes(this.#phase);
  }

  /** @throws Error when the history cannot have happened, or the row says something else */
  goOn(row: TaskRow, events: readonly EventRow[]): void {
    const before = this.row;
    for (const event of events) this.#happen(event, row);
    const gaps = events.some(({ event_no }, i) => event_no !== this.lastEventNo + i + 1);
    this.#require(!gaps, "its history has gaps", row);
    this.lastEventNo += events.length;
    this.#require(PHASES[row.status] === this.#phase, `its history leads to ${this.#phase}`, row);
    this.#require(row.attempt === this.#attempt, `its history has ${this.#attempt} attempts`, row);
    this.#require(row.suspensions === this.#suspensions, `its history has ${this.#suspensions} suspensions`, row);
    this.#require(row.retries_used <= row.max_retries, "it used more retries than it has", row);
    const grew = events.length === 0 || this.lastEventNo === events.length || row.version > before.version;
    this.#require(grew, `its version was ${before.version} before`, row);
    const woken = row.suspensions === 0 || row.resumed_by !== null || (row.status !== "pending" && !this.live);
    this.#require(woken, "it goes on, and nothing has woken it", row);
    this.#cancelAsked = row.cancel_requested === 1;
    this.row = row;
  }

  #happen({ event, attempt, detail }: EventRow, row: TaskRow): void {
    const { from, to = this.#phase } = STEPS[event];
    this.#require(from.includes(this.#phase), `${event} while it was ${this.#phase}`, row);
    if (event === "assigned") {
      this.#attempt += 1;
      this.#require(!this.#cancelAsked, "it was handed out though it is to be cancelled", row);
    }
    this.#require(attempt === this.#attempt, `${event} of attempt ${attempt} in attempt ${this.#attempt}`, row);
    if (event === "suspended") this.#suspensions += 1;
    if (event === "reopened") {
      this.reopenedAt = attempt;
      this.#cancelAsked = false;
    }
    if (event === "asked") this.#questionId = detail ?? "";
    if (event === "answered" || event === "question_timed_out") this.#close(detail ?? "", event, row);
    if (event === "completed" && row.gate === 0)
      this.#require(LIVE.includes(this.#phase), "it completed unassigned", row);
    this.#phase = to;
    if (this.ended && tellsSupervisor(row, detail)) this.toldEnds += 1;
  }

  /** A question is closed once. */
  #close(questionId: string, event: string, row: TaskRow): void {
    this.#require(questionId === this.#questionId, `${event}: ${questionId}, the question is ${this.#questionId}`, row);
    this.#require(!this.#closed.has(questionId), `question ${questionId} was closed before`, row);
    this.#closed.add(questionId);
  }

  #require(holds: boolean, what: string, row: TaskRow): void {
    if (!holds) throw new Error(`${this.taskId}: ${what}; its row is ${JSON.stringify(row)}`);
  }
}

/** Of a child its parent has the end; of a workflow the workflow tells, if not each task; what was not needed tells nobody. */
function tellsSupervisor(row: TaskRow, detail: string | null): boolean {
  if (row.parent_no !== null || detail?.startsWith("NOT_NEEDED: ")) return false;
  return row.workflow_no === null || row.notify === "each";
}
