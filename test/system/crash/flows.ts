import { z } from "zod";
import { rowsOf } from "../../support/recount.ts";
import type { Gate } from "./crowd.ts";
import { request } from "./crowd.ts";

/**
 * Clients that take one task after the other through everything that waits: a question, its answer, children, a failure and a retry.
 * A call whose answer was lost is made again, unchanged.
 */

export const LEAD = "lead";
const PARTS = 3;
const CALL_MILLISECONDS = 15_000;
/** A task is looked at so often until an agent has it. */
const LOOKS = 2_000;
/** What each attempt says it has used when it ends: tokens in, tokens out. */
const USED = { provider: "lab", model: "m-1", inputTokens: 7, outputTokens: 3 };

const task = z.object({ status: z.string(), attempt: z.int() });
const suspendReply = z.object({ questionId: z.string().optional(), taskIds: z.array(z.string()).optional() });

/** What the server has acknowledged of one task. */
export interface Flow {
  taskId: string;
  questionId?: string | undefined;
  answered?: boolean;
  parts?: string[] | undefined;
  failed?: boolean;
  retried?: boolean;
  completed?: boolean;
}

export class FlowClient {
  readonly #gate: Gate;
  readonly #name: string;
  readonly flows: Flow[] = [];
  /** Calls that had to be made again because their answer was lost. */
  repeated = 0;
  /** Attempts that have ended with a report of usage. */
  reports = 0;
  /** False: the task under way is the last. */
  running = true;

  constructor(gate: Gate, name: string) {
    this.#gate = gate;
    this.#name = name;
  }

  get agentId(): string {
    return `worker-${this.#name}`;
  }

  get skill(): string {
    return `skill-${this.#name}`;
  }

  async run(): Promise<void> {
    while (this.running) {
      const flow: Flow = { taskId: `whole-${this.#name}-${this.flows.length}` };
      this.flows.push(flow);
      await this.#goThrough(flow);
    }
  }

  /** @throws Error where a call is refused */
  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    for (;;) {
      const baseUrl = await this.#gate.baseUrl();
      try {
        const answer = await request(baseUrl, method, path, body, {}, CALL_MILLISECONDS);
        if (answer.status < 300) return answer.body;
        throw new Refused(`${method} ${path} was answered ${answer.status} ${JSON.stringify(answer.body)}`);
      } catch (error) {
        if (error instanceof Refused) throw error;
        this.repeated += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async #goThrough(flow: Flow): Promise<void> {
    const { taskId } = flow;
    const work = { taskType: "whole", requiredCapabilities: [this.skill], children: { taskTypes: ["part"] } };
    await this.#call("POST", "/tasks", { taskId, supervisor: LEAD, ...work });
    await this.#ask(flow);
    await this.#divide(flow);
    const held = await this.#held(taskId);
    await this.#end(taskId, "fail", { ...held, error: "not yet", retryable: false });
    flow.failed = true;
    await this.#call("POST", `/tasks/${taskId}/retry`, {});
    flow.retried = true;
    await this.#end(taskId, "complete", await this.#held(taskId));
    flow.completed = true;
  }

  async #ask(flow: Flow): Promise<void> {
    const { taskId } = flow;
    const until = { question: { text: "Which?", options: ["this", "that"] } };
    const reply = await this.#end(taskId, "suspend", { ...(await this.#held(taskId)), checkpoint: "asked", until });
    flow.questionId = suspendReply.parse(reply).questionId;
    await this.#call("POST", `/tasks/${taskId}/answer`, { agentId: LEAD, questionId: flow.questionId, answer: "this" });
    flow.answered = true;
  }

  async #divide(flow: Flow): Promise<void> {
    const part = { taskType: "part", requiredCapabilities: [this.skill] };
    const until = { tasks: Array.from({ length: PARTS }, (_, n) => ({ ...part, ref: `part-${n}` })) };
    const held = await this.#held(flow.taskId);
    const reply = await this.#end(flow.taskId, "suspend", { ...held, checkpoint: "divided", until });
    flow.parts = suspendReply.parse(reply).taskIds ?? [];
    for (const partId of flow.parts) await this.#end(partId, "complete", await this.#held(partId));
  }

  /** An end of an attempt, with what it has used. */
  async #end(taskId: string, how: "suspend" | "fail" | "complete", body: object): Promise<unknown> {
    const reply = await this.#call("POST", `/tasks/${taskId}/${how}`, { ...body, usage: [USED] });
    this.reports += 1;
    return reply;
  }

  /** The attempt that the only agent with this skill has. */
  async #held(taskId: string): Promise<{ agentId: string; attempt: number }> {
    for (let look = 0; look < LOOKS; look++) {
      const { status, attempt } = task.parse(await this.#call("GET", `/tasks/${taskId}`));
      if (status === "assigned" || status === "running") return { agentId: this.agentId, attempt };
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`nobody gets ${taskId}`);
  }
}

class Refused extends Error {}

const HISTORY =
  "SELECT t.task_id, e.event, count(*) AS n FROM task_events e JOIN tasks t USING (task_no) GROUP BY 1, 2";
const QUESTIONS = "SELECT t.task_id, q.asked_version, q.state FROM task_questions q JOIN tasks t USING (task_no)";
const PARENTS = "SELECT c.task_id, p.task_id AS parent_id FROM tasks c JOIN tasks p ON p.task_no = c.parent_no";

/** What the file says otherwise than the server did, or twice. */
export function auditFlows(file: string, flows: readonly Flow[]): string[] {
  const events = new Map(rowsOf(file, HISTORY).map((row) => [`${row.task_id} ${row.event}`, Number(row.n)]));
  const questions = new Map(rowsOf(file, QUESTIONS).map((row) => [`${row.task_id} ${row.asked_version}`, row.state]));
  const children = Map.groupBy(rowsOf(file, PARENTS), (row) => String(row.parent_id));
  return flows.flatMap(({ taskId, questionId, answered, parts, failed, retried, completed }) => {
    const counted = (event: string) => events.get(`${taskId} ${event}`) ?? 0;
    /** At most as often as the script has it, and so often once it was acknowledged. */
    const law = (event: string, most: number, acknowledged: boolean | undefined) =>
      counted(event) > most || (acknowledged === true && counted(event) < most)
        ? [`${taskId} has ${counted(event)} times ${event}`]
        : [];
    const state = questionId === undefined ? "answered" : questions.get(`${taskId} ${questionId}`);
    const made = children.get(taskId)?.length ?? 0;
    return [
      ...law("created", 1, questionId !== undefined),
      ...law("suspended", 2, parts !== undefined),
      ...law("asked", 1, questionId !== undefined),
      ...law("answered", 1, answered),
      ...law("failed", 1, failed),
      ...law("reopened", 1, retried),
      ...law("completed", 1, completed),
      ...law("assigned", 4, completed),
      ...(answered && state !== "answered" ? [`question ${questionId} of ${taskId} is ${state}`] : []),
      ...(made === PARTS || (made === 0 && parts === undefined) ? [] : [`${taskId} has ${made} children`]),
    ];
  });
}

const USAGE = "SELECT total(input_tokens) AS n FROM usage_hours";

/** Once all have ended: what was reported was booked once. */
export function auditUsage(file: string, reports: number): string[] {
  const booked = Number(rowsOf(file, USAGE)[0]?.n);
  return booked === reports * USED.inputTokens ? [] : [`${reports} reports, and ${booked} tokens are booked`];
}
