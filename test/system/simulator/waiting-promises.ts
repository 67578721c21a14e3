import type { JsonValue } from "../../../src/lib/model/json.ts";
import type { Resume } from "../../../src/lib/model/resume.ts";
import type { AnswerReply, SuspendReply } from "../../../src/lib/model/suspension.ts";
import type { FleetRows } from "./fleet-rows.ts";

/** What is asked, as far as the rules of answers need it. */
export interface Asked {
  askedOf: readonly string[];
  defaultAnswer: JsonValue | undefined;
}

/** How an attempt suspended itself. */
export interface Suspended {
  taskId: string;
  attempt: number;
  agentId: string;
  checkpoint: JsonValue;
  question?: Asked | undefined;
}

interface Kept extends Suspended {
  reply: SuspendReply;
}

interface Answered {
  answer: JsonValue;
  answeredBy: string;
}

/**
 * What the store has said of tasks that wait, whether its answer was lost on the way or not: an attempt suspends once, a question is
 * answered once and by one who may, and each attempt after a suspension is told what woke the task.
 */
export class WaitingPromises {
  readonly #rows: FleetRows;
  /** Per task, by attempt. */
  readonly #suspensions = new Map<string, Map<number, Kept>>();
  /** Of gates by the id of their task. */
  readonly #gates = new Map<string, Asked>();
  readonly #answers = new Map<string, Answered>();
  readonly counts = { suspended: 0, answered: 0, resumed: 0 };

  constructor(rows: FleetRows) {
    this.#rows = rows;
  }

  gate(taskId: string, asked: Asked): void {
    this.#gates.set(taskId, asked);
  }

  /** A repeat of a suspension is told the same ids. */
  suspended(suspension: Suspended, reply: SuspendReply): void {
    const { taskId, attempt } = suspension;
    const ofTask = this.#suspensions.get(taskId) ?? new Map<number, Kept>();
    const before = ofTask.get(attempt)?.reply;
    const ids = ({ questionId, taskIds, status }: SuspendReply) => JSON.stringify([status, questionId, taskIds]);
    if (before !== undefined && ids(before) !== ids(reply)) {
      throw new Error(`${taskId} ${attempt} suspended as ${ids(before)} and as ${ids(reply)}`);
    }
    if (before === undefined) this.counts.suspended += 1;
    if (reply.status === "cancelled" || reply.status === "failed") return;
    this.#suspensions.set(taskId, ofTask.set(attempt, { ...suspension, reply }));
  }

  /** An attempt that has suspended itself is told so again, whatever became of its task. */
  refused(taskId: string, attempt: number): void {
    if (this.#suspensions.get(taskId)?.has(attempt))
      throw new Error(`${taskId} ${attempt} was suspended, and is refused`);
  }

  #asked(taskId: string, questionId: string): { asked: Asked; askedBy: string | undefined } {
    for (const kept of this.#suspensions.get(taskId)?.values() ?? []) {
      if (kept.reply.questionId === questionId && kept.question) return { asked: kept.question, askedBy: kept.agentId };
    }
    const gate = this.#gates.get(taskId);
    if (gate === undefined) throw new Error(`${taskId} has answered ${questionId}, which nobody has asked`);
    return { asked: gate, askedBy: undefined };
  }

  /** An accepted answer. */
  answered(by: string, { answer }: { answer: JsonValue }, { taskId, questionId, answeredBy }: AnswerReply): void {
    const key = `${taskId} ${questionId}`;
    const before = this.#answers.get(key) ?? { answer, answeredBy: by };
    if (before.answer !== answer || before.answeredBy !== answeredBy) {
      throw new Error(`${key} was answered ${before.answer} by ${before.answeredBy}, and ${answer} by ${answeredBy}`);
    }
    if (!this.#answers.has(key)) this.counts.answered += 1;
    this.#answers.set(key, before);
    const { asked, askedBy } = this.#asked(taskId, questionId);
    const mayAnswer = by === this.#rows.task(taskId).supervisor_id || asked.askedOf.includes(by);
    if (!mayAnswer || by === askedBy) throw new Error(`${by} answered ${key}, and may not`);
  }

  /** What an attempt is told when it is handed out. */
  handedOut(taskId: string, attempt: number, resume: Resume | undefined): void {
    const last = [...(this.#suspensions.get(taskId)?.values() ?? [])].sort((a, b) => b.attempt - a.attempt)[0];
    if (last === undefined || last.attempt >= attempt) {
      if (last === undefined && resume !== undefined) throw new Error(`${taskId} resumes, and was never suspended`);
      return;
    }
    if (resume === undefined)
      throw new Error(`${taskId} ${attempt} was suspended in ${last.attempt}, and has no resume`);
    this.counts.resumed += 1;
    if (resume.checkpoint !== last.checkpoint) {
      throw new Error(`${taskId} ${attempt} got the checkpoint ${resume.checkpoint}, not ${last.checkpoint}`);
    }
    const expected = this.#resumeOf(last, resume);
    const { reason, answer, answeredBy, children } = resume;
    const told = { reason, answer, answeredBy, children: children?.map((child) => [child.taskId, child.status]) };
    if (JSON.stringify(told) !== JSON.stringify(expected)) {
      throw new Error(`${taskId} ${attempt} was told ${JSON.stringify(told)}, not ${JSON.stringify(expected)}`);
    }
  }

  #resumeOf({ taskId, attempt, reply, question }: Kept, told: Resume) {
    const none = { answer: undefined, answeredBy: undefined, children: undefined };
    const { questionId, taskIds } = reply;
    if (taskIds !== undefined) {
      const children = taskIds.map((childId) => [childId, this.#endOf(childId)]);
      return { reason: "children_ended", ...none, children };
    }
    if (questionId === undefined) return { reason: "time", ...none };
    const answered = this.#answers.get(`${taskId} ${questionId}`);
    if (answered !== undefined) return { reason: "answered", ...none, ...answered };
    // Cancelled while it waited, and open again: nobody has answered.
    // Perhaps in this very step, which the watch has not looked at yet.
    const reopened = this.#rows.wasReopened(taskId, attempt);
    if (reopened && told.reason === "time") return { reason: "time", ...none };
    const answer = question?.defaultAnswer;
    if (answer === undefined) {
      throw new Error(`${taskId} goes on by ${told.reason} though nobody has answered ${questionId}`);
    }
    return { reason: "answered", ...none, answer, answeredBy: "system" };
  }

  #endOf(taskId: string): string {
    const { status } = this.#rows.task(taskId);
    if (status !== "completed" && status !== "failed" && status !== "cancelled") {
      throw new Error(`its parent goes on, and ${taskId} is ${status}`);
    }
    return status;
  }
}
