import type { Scene } from "../../contract/support.ts";
import { SECOND } from "../../contract/support.ts";
import { Recount } from "../../support/recount.ts";
import { REST_LAWS, STANDING_LAWS } from "../../support/waiting-laws.ts";
import type { FleetRows } from "./fleet-rows.ts";
import { TaskStory } from "./task-story.ts";

/** Whether a set of capabilities meets a requirement: by itself, or a bare name by any version of it. */
function meets(capabilities: readonly string[], required: string): boolean {
  return capabilities.some((capability) => capability === required || capability.startsWith(`${required}@`));
}

function words(json: string): string[] {
  const list: unknown = JSON.parse(json);
  if (!Array.isArray(list)) throw new Error(`not a list: ${json}`);
  return list.map(String);
}

/** What an attempt counts for its agent, as the rows of attempts have it. */
const PERFORMANCE_LAW = `SELECT a.agent_id || ' has other counts than its attempts' AS problem FROM agents a
  LEFT JOIN (SELECT agent_no, sum(outcome = 'completed') AS completed, sum(outcome = 'failed') AS failed,
      sum(outcome IN ('timed_out', 'agent_inactive')) AS lost, sum(outcome = 'released') AS released
    FROM task_attempts GROUP BY agent_no) x ON x.agent_no = a.agent_no
  WHERE a.completed <> coalesce(x.completed, 0) OR a.failed <> coalesce(x.failed, 0) OR a.lost <> coalesce(x.lost, 0)
    OR a.released <> coalesce(x.released, 0)`;

/** The audit tells what the history of each task tells, in its order. */
const AUDIT_LAW = `SELECT t.task_id || ' has another history in the audit' AS problem FROM tasks t WHERE
  (SELECT group_concat('task.' || e.event || ' ' || e.attempt || ' ' || coalesce(a.agent_id, '-') ORDER BY e.event_no)
    FROM task_events e LEFT JOIN agents a ON a.agent_no = e.agent_no WHERE e.task_no = t.task_no)
  IS NOT (SELECT group_concat(action || ' ' || json_extract(detail, '$.attempt') || ' ' || coalesce(json_extract(detail, '$.agentId'), '-')
    ORDER BY entry_no) FROM audit_entries WHERE subject_kind = 'task' AND subject_id = t.task_id
      AND action <> 'task.usage_reported')`;

/** The counter of every agent equals its live tasks; one that is gone or silent has none. */
const LOAD_LAW = `SELECT a.agent_id || ' is ' || a.status || ' with ' || coalesce(l.counted, 0) || ' tasks, and is said to have ' || a.active_tasks
    AS problem
  FROM agents a LEFT JOIN (SELECT agent_no, count(*) AS counted FROM tasks WHERE status IN ('assigned', 'running') GROUP BY agent_no) l
    ON l.agent_no = a.agent_no
  WHERE coalesce(l.counted, 0) <> a.active_tasks OR (a.active_tasks > 0 AND a.status IN ('inactive', 'deregistered'))`;

const LEFT_BY_RETRIES = "SELECT count(*) AS n FROM reopened_tasks";

/** After a sweep no agent is active that has been silent for longer than the timeout. */
const SILENCE_LAW = `SELECT agent_id || ' is ' || status || ' after ' || (?1 - last_heartbeat_at) || ' ms of silence' AS problem FROM agents
  WHERE status IN ('active', 'draining') AND agent_id NOT LIKE '#%' AND last_heartbeat_at < ?1 - ${90 * SECOND}`;

/**
 * Looks at what each step has changed, and now and then at everything. It knows nothing of how the store decides: only what must hold.
 */
export class FleetWatch {
  readonly #scene: Scene;
  readonly #rows: FleetRows;
  readonly #recount: Recount;
  readonly stories = new Map<string, TaskStory>();
  /** Tasks that the store has acknowledged. */
  readonly acknowledged = new Set<string>();
  #lastEntry = 0;

  constructor(scene: Scene, rows: FleetRows, file: string) {
    this.#scene = scene;
    this.#rows = rows;
    this.#recount = new Recount(file);
  }

  close(): void {
    this.#recount.close();
  }

  story(taskId: string): TaskStory {
    const story = this.stories.get(taskId);
    if (story === undefined) throw new Error(`no task ${taskId}`);
    return story;
  }

  unfinished(): string[] {
    return [...this.stories.values()]
      .filter((story) => !story.ended)
      .map(({ taskId, row }) => `${taskId} ${row.status}`);
  }

  /** What the last step has changed. */
  look(): void {
    const { taskIds, last } = this.#rows.changedTasks(this.#lastEntry);
    this.#lastEntry = last;
    const reopened = [...taskIds].filter((taskId) => this.#goOn(taskId));
    this.#require([LOAD_LAW], "after a step");
    // At once, where the retry leaves nothing to the sweep: the end of one that had gone on by the failure of another.
    if (reopened.length > 0 && this.#rows.number(LEFT_BY_RETRIES) === 0) {
      this.#require(STANDING_LAWS, `after ${reopened.join(", ")} was opened again`);
    }
  }

  /** @returns whether it was opened again */
  #goOn(taskId: string): boolean {
    const row = this.#rows.task(taskId);
    const story = this.stories.get(taskId) ?? new TaskStory(row);
    this.stories.set(taskId, story);
    const events = this.#rows.events(row.task_no, story.lastEventNo);
    story.goOn(row, events);
    return events.some(({ event }) => event === "reopened");
  }

  /** After a sweep nothing lies about that an agent could do, and nothing waits for what has come. */
  checkRest(): void {
    this.#require([SILENCE_LAW, ...REST_LAWS, ...STANDING_LAWS], "after a sweep");
    const now = this.#scene.store.now();
    const agents = this.#rows.agents();
    const free = agents.filter(
      ({ role, status, active_tasks: held, max_concurrent_tasks: room }) =>
        role === "worker" && status === "active" && held < room,
    );
    if (free.length === 0) return;
    for (const { task_id: taskId, required, assign_to: named } of this.#rows.waiting(now)) {
      const needs = words(required);
      const able = free.find(
        ({ agent_id: agentId, capabilities }) =>
          (named ?? agentId) === agentId && needs.every((need) => meets(words(capabilities), need)),
      );
      if (able !== undefined) throw new Error(`after a sweep ${taskId} waits, and ${able.agent_id} is free`);
    }
  }

  #require(laws: readonly string[], when: string): void {
    const now = this.#scene.store.now();
    for (const law of laws) {
      const [problem] = this.#rows.problems(law, now);
      if (problem !== undefined) throw new Error(`${when} ${problem}`);
    }
  }

  /** Everything: no task is unknown or gone, no counter is wrong, and SQLite finds the file sound. */
  checkAll(): void {
    const rows = this.#rows.tasks();
    for (const row of rows) {
      const story = this.story(row.task_id);
      story.goOn(row, this.#rows.events(row.task_no, story.lastEventNo));
    }
    if (rows.length !== this.stories.size) throw new Error(`${this.stories.size - rows.length} tasks are gone`);
    const missing = [...this.acknowledged].filter((taskId) => !this.stories.has(taskId));
    const problems = [
      ...missing.map((taskId) => `${taskId} was acknowledged, and is not there`),
      ...this.#recount.problems(),
    ];
    for (const law of [PERFORMANCE_LAW, AUDIT_LAW]) problems.push(...this.#rows.problems(law, this.#scene.store.now()));
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }
}
