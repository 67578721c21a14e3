import { expect } from "@jest/globals";
import type { Agent } from "../../../src/lib/model/agent.ts";
import { readDependency } from "../../../src/lib/model/dependency.ts";
import type { Candidate } from "../../../src/lib/model/explanation.ts";
import type { Assignment, TaskStatus } from "../../../src/lib/model/task.ts";
import type { Priority } from "../../../src/lib/model/values.ts";
import type { StoredTask } from "../../../src/lib/store/store.ts";
import { NOTHING_USED } from "../nothing-used.ts";
import { at, everyPage, payloadField, type Scene } from "../support.ts";

const HEAD_STARTS: Record<Priority, number> = { low: 0, normal: 60_000, high: 600_000, urgent: 3_600_000 };

/** From each status, where one step can lead; a step may end an attempt and hand the task out again. */
const NEXT: Record<TaskStatus, readonly TaskStatus[]> = {
  blocked: ["blocked", "pending", "assigned", "failed", "cancelled"],
  pending: ["pending", "assigned", "cancelled"],
  assigned: ["assigned", "pending", "running", "input_required", "completed", "failed", "cancelled"],
  running: ["running", "assigned", "pending", "input_required", "completed", "failed", "cancelled"],
  input_required: ["input_required", "pending", "assigned", "completed", "failed", "cancelled"],
  completed: ["completed"],
  failed: ["failed"],
  cancelled: ["cancelled"],
};

const isLost = (outcome: string) => ["timed_out", "agent_inactive", "released"].includes(outcome);

const FINAL: readonly TaskStatus[] = ["completed", "failed", "cancelled"];

export function isLive(task: StoredTask): boolean {
  return task.status === "assigned" || task.status === "running";
}

/** Whether a set of capabilities meets a requirement: by itself, or a bare name by any version of it. */
function meets(capabilities: readonly string[], required: string): boolean {
  return capabilities.includes(required) || capabilities.some((capability) => capability.startsWith(`${required}@`));
}

/**
 * Reads all that there is after each step and checks section 3 on it. Knows nothing of how the store decides: only what
 * must hold, and what each assignment says about itself.
 */
export class TaskWatch {
  readonly scene: Scene;
  /** Tasks that the store has acknowledged. */
  readonly taskIds: string[] = [];
  /** Tasks that it may have accepted without the caller's knowing. */
  readonly attempted = new Set<string>();
  /** The only supervisor, whose mailbox nobody reads and whose workers read none; undefined where mailboxes are in use. */
  supervisor: string | undefined;
  tasks: StoredTask[] = [];
  agents: Agent[] = [];
  #assignments = new Map<string, Assignment[]>();

  constructor(scene: Scene) {
    this.scene = scene;
  }

  task(taskId: string): StoredTask {
    const task = this.tasks.find((one) => one.taskId === taskId);
    if (task === undefined) throw new Error(`no task ${taskId}`);
    return task;
  }

  agent(agentId: string): Agent {
    const agent = this.agents.find((one) => one.agentId === agentId);
    if (agent === undefined) throw new Error(`no agent ${agentId}`);
    return agent;
  }

  /** The agent of the task's latest attempt. */
  lastAgent(taskId: string): string {
    return this.#assignments.get(taskId)?.at(-1)?.chosen ?? "";
  }

  unfinished(): string[] {
    return this.tasks.filter((task) => !FINAL.includes(task.status)).map((task) => `${task.taskId} ${task.status}`);
  }

  /** `kind` is the step since the last look; after "many" or a "burst" a task may be anywhere but out of an end. */
  async look(step: { kind: string; swept: boolean }): Promise<void> {
    const before = { tasks: this.tasks, agents: this.agents, assignments: this.#assignments };
    const { store } = this.scene;
    this.tasks = (await everyPage((page) => store.listTasks(page))).reverse();
    this.agents = await everyPage((page) => store.listAgents(page));
    this.#assignments = new Map();
    for (const task of this.tasks) {
      const known = before.assignments.get(task.taskId);
      const current = known?.at(-1);
      // Attempts that have ended are not read again unless the task has moved.
      const stale = known === undefined || task.attempt !== current?.attempt || current.outcome === undefined;
      this.#assignments.set(
        task.taskId,
        stale ? await everyPage((page) => store.getAssignments(task.taskId, page)) : known,
      );
    }
    const listed = new Set(this.tasks.map((task) => task.taskId));
    expect(this.taskIds.filter((taskId) => !listed.has(taskId))).toEqual([]);
    expect([...listed].filter((taskId) => !this.attempted.has(taskId) && !this.taskIds.includes(taskId))).toEqual([]);
    for (const task of this.tasks) this.checkTask(task, before.tasks, ["many", "burst"].includes(step.kind));
    this.checkLoads();
    for (const task of this.tasks) this.checkAttempts(task, before.assignments.get(task.taskId)?.length ?? 0);
    if (this.supervisor !== undefined) await this.checkMessages(this.supervisor);
    await this.checkCounters();
    if (["join", "beat", "leave", "work", "cancel"].includes(step.kind)) this.checkRanks(before.tasks);
    if (step.swept) this.checkSwept();
  }

  /** Fencing, and one end. */
  private checkTask(task: StoredTask, earlier: readonly StoredTask[], many: boolean): void {
    const before = earlier.find((one) => one.taskId === task.taskId);
    expect(task.retriesUsed).toBeLessThanOrEqual(task.maxRetries);
    expect(task.attempt >= task.retriesUsed).toBe(true);
    expect(isLive(task)).toBe(task.deadline !== undefined && task.endedAt === undefined);
    expect(FINAL.includes(task.status)).toBe(task.endedAt !== undefined);
    if (task.status === "blocked") expect(task.dependsOn.length).toBeGreaterThan(0);
    if (before === undefined) return;
    if (!many) expect(NEXT[before.status]).toContain(task.status);
    if (FINAL.includes(before.status)) expect(task).toEqual(before);
    expect(task.attempt).toBeGreaterThanOrEqual(before.attempt);
    expect(task.retriesUsed).toBeGreaterThanOrEqual(before.retriesUsed);
    if (before.cancelRequested) expect(task.cancelRequested).toBe(true);
    if (before.cancelRequested && task.attempt !== before.attempt) throw new Error("assigned again though cancelled");
    if (before.status === "running" && task.status === "assigned") expect(task.attempt).toBeGreaterThan(before.attempt);
    if (isLive(before) && isLive(task) && task.attempt === before.attempt)
      expect(task.assignedTo).toBe(before.assignedTo);
  }

  /** The counter of every agent equals its live assignments; who is gone or silent has none. */
  private checkLoads(): void {
    for (const agent of this.agents) {
      const { completed, failed, lost, released } = agent.performance;
      const outcomes = ["completed", "failed", "released"].map((one) =>
        this.attemptsOf((outcome) => outcome === one, agent.agentId),
      );
      expect([agent.agentId, completed, failed, released]).toEqual([agent.agentId, ...outcomes]);
      expect([agent.agentId, lost]).toEqual([agent.agentId, this.attemptsOf(isLost, agent.agentId)]);
      const live = this.tasks.filter((task) => isLive(task) && task.assignedTo === agent.agentId);
      expect([agent.agentId, agent.activeTasks]).toEqual([agent.agentId, live.length]);
      if (agent.status === "inactive" || agent.status === "deregistered") expect(agent.activeTasks).toBe(0);
    }
  }

  /** Every attempt is recorded, the newest explains itself truthfully. */
  private checkAttempts(task: StoredTask, known: number): void {
    const assignments = this.#assignments.get(task.taskId) ?? [];
    expect(assignments.map((assignment) => assignment.attempt)).toEqual(assignments.map((_, i) => i + 1));
    expect(assignments).toHaveLength(task.attempt);
    for (const [i, assignment] of assignments.entries()) {
      const open = isLive(task) && i === assignments.length - 1;
      expect(assignment.outcome === undefined).toBe(open);
      if (open) expect(assignment.chosen).toBe(task.assignedTo);
      if (i >= known) this.checkExplanation(task, assignment, assignments[i - 1]);
    }
  }

  private checkExplanation(task: StoredTask, assignment: Assignment, previous: Assignment | undefined): void {
    const { considered, chosen } = assignment;
    expect(considered.length).toBeGreaterThan(0);
    expect(considered.length).toBeLessThanOrEqual(64);
    expect(considered[0]?.agentId).toBe(chosen);
    expect(considered).toEqual([...considered].sort(compareCandidates));
    for (const candidate of considered) {
      expect(candidate.activeTasks).toBeLessThan(candidate.maxConcurrentTasks);
      expect(candidate.load).toBeCloseTo(candidate.activeTasks / candidate.maxConcurrentTasks, 9);
      expect(candidate.endedLastAttempt).toBe(candidate.agentId === previous?.chosen);
      if (task.assignTo !== undefined) expect(candidate.agentId).toBe(task.assignTo);
    }
  }

  /** One task_result for each task that has ended, none for others; one open task_assignment for each that is assigned. */
  private async checkMessages(supervisor: string): Promise<void> {
    const results = await this.scene.waiting(supervisor, "task_result");
    const told = results.map((message) => `${payloadField(message, "taskId")} ${payloadField(message, "status")}`);
    const ended = this.tasks.filter((task) => FINAL.includes(task.status));
    expect(told.sort()).toEqual(ended.map((task) => `${task.taskId} ${task.status}`).sort());
    for (const agent of this.agents) {
      if (agent.role !== "worker" || agent.status === "deregistered") continue;
      const open = await this.scene.waiting(agent.agentId, "task_assignment");
      const offers = open.map((message) => `${payloadField(message, "taskId")} ${payloadField(message, "attempt")}`);
      const assigned = this.tasks.filter((task) => task.status === "assigned" && task.assignedTo === agent.agentId);
      expect(offers.sort()).toEqual(assigned.map((task) => `${task.taskId} ${task.attempt}`).sort());
    }
  }

  /** How many attempts ended so, of all agents or of one. */
  private attemptsOf(ended: (outcome: string) => boolean, agentId?: string): number {
    return [...this.#assignments.values()]
      .flat()
      .filter(({ outcome = "", chosen }) => ended(outcome) && (agentId === undefined || chosen === agentId)).length;
  }

  private async checkCounters(): Promise<void> {
    const { metrics, byStatus, activeAgents } = await this.scene.store.coordinationStatistics();
    const count = (pick: (task: StoredTask) => boolean) => this.tasks.filter(pick).length;
    expect(metrics).toEqual({
      tasksAssigned: count((task) => task.attempt > 0),
      tasksCompleted: count((task) => task.status === "completed"),
      tasksFailed: count((task) => task.status === "failed"),
      // No task of these runs waits for a failure.
      tasksNotNeeded: 0,
      attemptsFailed: this.attemptsOf((outcome) => outcome === "failed"),
      attemptsLost: this.attemptsOf(isLost),
      usage: NOTHING_USED,
    });
    for (const [status, counted] of Object.entries(byStatus)) {
      expect([status, counted]).toEqual([status, count((task) => task.status === status)]);
    }
    const active = this.agents.filter((agent) => agent.status === "active");
    expect(activeAgents).toBe(active.length);
    const registry = await this.scene.store.registryStatistics();
    const working = active.filter((agent) => agent.role === "worker" && agent.maxConcurrentTasks > 0);
    // As one pool for each capacity: a capacity lowered below what its workers hold counts as full, no more.
    const pools = [...new Set(working.map((agent) => agent.maxConcurrentTasks))].map((capacity) => {
      const pool = working.filter((agent) => agent.maxConcurrentTasks === capacity);
      const held = pool.reduce((sum, agent) => sum + agent.activeTasks, 0);
      return Math.min(held / capacity, pool.length);
    });
    const mean = working.length === 0 ? 0 : pools.reduce((sum, load) => sum + load, 0) / working.length;
    expect(registry.averageLoad).toBeCloseTo(mean, 9);
  }

  /** Of tasks that ask for the same, none is handed out while one that waited before it with a higher rank still waits. */
  private checkRanks(earlier: readonly StoredTask[]): void {
    const waitedFor = earlier.filter((task) => task.status === "pending" && task.assignTo === undefined);
    const taken = waitedFor.filter((task) => this.task(task.taskId).attempt > task.attempt);
    const left = waitedFor.filter((task) => this.task(task.taskId).status === "pending");
    for (const got of taken) {
      for (const still of left) {
        const same = demand(got) === demand(still);
        const due = at(still.availableAt) <= at(got.availableAt);
        if (same && due && rank(still) < rank(got)) throw new Error(`${got.taskId} overtook ${still.taskId}`);
      }
    }
  }

  /** After a sweep nothing lies about that somebody could do, and nothing waits for what has already ended. */
  private checkSwept(): void {
    const now = this.scene.store.now();
    const free = this.agents.filter(
      (agent) => agent.role === "worker" && agent.status === "active" && agent.activeTasks < agent.maxConcurrentTasks,
    );
    for (const task of this.tasks) {
      if (isLive(task)) expect(at(task.deadline)).toBeGreaterThan(now - 5_000);
      if (task.status === "pending" && at(task.availableAt) < now - 5_000) {
        const fits = free.filter(
          (agent) =>
            (task.assignTo === undefined || task.assignTo === agent.agentId) &&
            task.requiredCapabilities.every((required) => meets(agent.capabilities, required)),
        );
        expect([task.taskId, fits.map((agent) => agent.agentId)]).toEqual([task.taskId, []]);
      }
      if (task.status !== "blocked") continue;
      // Something is waited for that has not ended, and nothing has ended otherwise than it was to end.
      const dependencies = task.dependsOn.map(readDependency);
      expect(dependencies.some(({ taskId }) => this.task(taskId).endedAt === undefined)).toBe(true);
      const lost = dependencies.filter(({ taskId, when }) => {
        const { status, endedAt } = this.task(taskId);
        return endedAt !== undefined && when !== "ended" && (when === "completed") !== (status === "completed");
      });
      expect(lost).toEqual([]);
    }
  }
}

function demand(task: StoredTask): string {
  return [...task.requiredCapabilities].sort().join(" ");
}

function rank(task: StoredTask): number {
  return at(task.availableAt) - HEAD_STARTS[task.priority];
}

/** The tie-breaks of section 4, in their order. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  return (
    Number(a.endedLastAttempt) - Number(b.endedLastAttempt) ||
    a.load - b.load ||
    b.preferredCapabilities - a.preferredCapabilities ||
    b.reliability - a.reliability ||
    lastAssigned(a) - lastAssigned(b) ||
    (a.agentId < b.agentId ? -1 : 1)
  );
}

function lastAssigned(candidate: Candidate): number {
  return candidate.lastAssignedAt === undefined ? 0 : at(candidate.lastAssignedAt);
}
