import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { ErrorCode } from "../../../src/lib/model/errors.ts";
import { PRIORITIES, type Priority } from "../../../src/lib/model/values.ts";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { caught, type Held, type Scene, SECOND } from "../support.ts";
import { TaskWatch } from "./task-watch.ts";

const WORKERS = 4;
const SKILLS = ["a", "b"];
const BEATS = { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 };

type End = "start" | "progress" | "complete" | "fail" | "fail for good";
type Single =
  | { do: "join"; worker: number; capacity: number; skills: number }
  | { do: "beat"; worker: number; status: "active" | "draining" | undefined; capacity: number | undefined }
  | { do: "leave"; worker: number }
  | {
      do: "submit";
      skills: number;
      preferred: number;
      priority: Priority;
      retries: number;
      timeout: number;
      dependsOn: number[];
      to: number | undefined;
    }
  | { do: "work"; task: number; end: End; wrong: number }
  | { do: "again"; which: number }
  | { do: "cancel"; task: number }
  | { do: "wait"; seconds: number }
  | { do: "sweep" };
type Step = Single | { do: "burst"; steps: Single[] };

const nat = (max: number) => fc.nat({ max });
const worker = nat(WORKERS - 1);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const kind = <K extends string>(name: K) => fc.constant(name);

const join = fc.record({ do: kind("join"), worker, capacity: nat(3), skills: nat(3) });
const status = maybe(fc.constantFrom<"active" | "draining">("active", "draining"));
const beat = fc.record({ do: kind("beat"), worker, status, capacity: maybe(nat(3)) });
const leave = fc.record({ do: kind("leave"), worker });
const submit = fc.record({
  do: kind("submit"),
  skills: nat(3),
  preferred: nat(3),
  priority: fc.constantFrom(...PRIORITIES),
  retries: nat(2),
  timeout: fc.constantFrom(20, 100, 1_000),
  dependsOn: fc.array(nat(30), { maxLength: 2 }),
  to: fc.option(worker, { nil: undefined, freq: 6 }),
});
const end = fc.constantFrom<End>("start", "progress", "complete", "complete", "fail", "fail", "fail for good");
/** 0: as assigned; 1: the next attempt; 2: another agent; 3: the attempt before. */
const work = fc.record({ do: kind("work"), task: nat(30), end, wrong: fc.constantFrom(0, 0, 0, 0, 0, 1, 2, 3) });
const again = fc.record({ do: kind("again"), which: nat(30) });
const cancel = fc.record({ do: kind("cancel"), task: nat(30) });
const wait = fc.record({ do: kind("wait"), seconds: fc.constantFrom(1, 5, 25, 60, 110) });
const sweep = fc.record({ do: kind("sweep") });
const single: fc.Arbitrary<Single> = fc.oneof(
  { weight: 3, arbitrary: join },
  { weight: 3, arbitrary: beat },
  { weight: 1, arbitrary: leave },
  { weight: 7, arbitrary: submit },
  { weight: 9, arbitrary: work },
  { weight: 2, arbitrary: again },
  { weight: 2, arbitrary: cancel },
  { weight: 3, arbitrary: wait },
  { weight: 3, arbitrary: sweep },
);
const together = fc.oneof<fc.Arbitrary<Single>[]>(join, beat, leave, submit, work, work, cancel, sweep);
const burst = fc.record({ do: kind("burst"), steps: fc.array(together, { minLength: 2, maxLength: 7 }) });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>({ weight: 8, arbitrary: single }, { weight: 1, arbitrary: burst }),
  { minLength: 5, maxLength: 45, size: "max" },
);

/** What an ending call of an attempt was answered first. */
interface Ended {
  held: Held;
  end: End;
  status: string;
}

/** One run: the calls, what each must be answered, and the watch over everything else. */
class TaskRun {
  readonly scene: Scene;
  readonly watch: TaskWatch;
  readonly ended: Ended[] = [];
  supervisor = "";

  constructor(scene: Scene) {
    this.scene = scene;
    this.watch = new TaskWatch(scene);
  }

  async begin(): Promise<void> {
    this.supervisor = await this.scene.supervisor();
    this.watch.supervisor = this.supervisor;
    for (let i = 0; i < WORKERS; i++)
      await this.single({ do: "join", worker: i, capacity: 1 + (i % 2), skills: 3 - (i % 2) });
    await this.watch.look({ kind: "join", swept: false });
  }

  async take(step: Step): Promise<void> {
    if (step.do === "burst") await Promise.all(step.steps.map((one) => this.single(one, true)));
    else await this.single(step);
    await this.watch.look({ kind: step.do, swept: step.do === "sweep" });
  }

  workerId(index: number): string {
    return this.scene.id(`w${index % WORKERS}`);
  }

  skills(bits: number): string[] {
    return SKILLS.filter((_, i) => (bits & (1 << i)) !== 0).map((skill) => this.scene.id(skill));
  }

  async single(step: Single, inBurst = false): Promise<void> {
    const { store } = this.scene;
    switch (step.do) {
      case "join": {
        const capabilities = [...this.skills(step.skills), this.scene.skill];
        const agentId = this.workerId(step.worker);
        await this.scene.register({ role: "worker", agentId, capabilities, maxConcurrentTasks: step.capacity });
        return;
      }
      case "beat": {
        const beatOf = { agentId: this.workerId(step.worker), status: step.status, maxConcurrentTasks: step.capacity };
        expect(["accepted", "AGENT_DEREGISTERED"]).toContain(await caught(store.heartbeat(beatOf)));
        return;
      }
      case "leave":
        expect((await store.deregisterAgent(this.workerId(step.worker))).status).toBe("deregistered");
        return;
      case "submit":
        return await this.submit(step);
      case "work":
        return await this.work(step, inBurst);
      case "again":
        return await this.again(step.which);
      case "cancel":
        return await this.cancel(step.task, inBurst);
      case "wait":
        this.scene.advance(step.seconds * SECOND);
        if (step.seconds < 60) await caught(store.heartbeat({ agentId: this.supervisor }));
        return;
      case "sweep":
        await store.sweep();
    }
  }

  async submit(step: Extract<Single, { do: "submit" }>): Promise<void> {
    const known = this.watch.taskIds;
    const dependsOn = step.dependsOn.flatMap((index) => known.slice(index, index + 1));
    const taskId = this.scene.fresh("t");
    const task = this.scene.task(this.supervisor, {
      taskId,
      requiredCapabilities: this.skills(step.skills),
      preferredCapabilities: this.skills(step.preferred),
      priority: step.priority,
      maxRetries: step.retries,
      timeoutSeconds: step.timeout,
      dependsOn,
      ...(step.to === undefined ? {} : { assignTo: this.workerId(step.to) }),
    });
    const code = await caught(this.scene.store.assignTask(task));
    if (code === "accepted") this.watch.taskIds.push(taskId);
    else expect([code, step.to === undefined]).toEqual(["AGENT_NOT_FOUND", false]);
  }

  async call(held: Held, how: End): Promise<string> {
    switch (how) {
      case "start":
        return (await this.scene.start(held)).status;
      case "progress":
        return (await this.scene.progress(held, { percent: 50, extendSeconds: 30 })).status;
      case "complete":
        return (await this.scene.complete(held)).status;
      case "fail":
        return (await this.scene.fail(held)).status;
      case "fail for good":
        return (await this.scene.fail(held, { retryable: false })).status;
    }
  }

  async work(step: Extract<Single, { do: "work" }>, inBurst: boolean): Promise<void> {
    const live = this.watch.tasks.filter((task) => task.attempt > 0);
    const task = live[step.task % Math.max(1, live.length)];
    if (task === undefined) return;
    const lastAgent = this.watch.lastAgent(task.taskId);
    const other = this.workerId(step.task);
    const held: Held = {
      taskId: task.taskId,
      agentId: step.wrong === 2 ? other : lastAgent,
      attempt: task.attempt + (step.wrong === 1 ? 1 : step.wrong === 3 ? -1 : 0),
    };
    if (held.attempt < 1) return;
    let answer: string | undefined;
    const code = await caught(
      this.call(held, step.end).then((got) => {
        answer = got;
      }),
    );
    if (answer !== undefined && step.end !== "start" && step.end !== "progress") {
      this.remember({ held, end: step.end, status: answer });
    }
    if (inBurst) {
      expect(["accepted", "LEASE_LOST", "AGENT_DEREGISTERED"]).toContain(code);
      return;
    }
    expect([step.end, code, answer]).toEqual([step.end, ...this.foretell(held, step.end)]);
  }

  /** What the fence of section 3.2 says of a call, from what was read before it. */
  foretell(held: Held, how: End): [ErrorCode | "accepted", string | undefined] {
    const task = this.watch.task(held.taskId);
    if (this.watch.agent(held.agentId).status === "deregistered") return ["AGENT_DEREGISTERED", undefined];
    const current = task.attempt === held.attempt && this.watch.lastAgent(held.taskId) === held.agentId;
    if (current && task.assignedTo === held.agentId && (task.status === "assigned" || task.status === "running")) {
      if (how === "start" || how === "progress") return ["accepted", "running"];
      if (how === "complete") return ["accepted", "completed"];
      if (task.cancelRequested) return ["accepted", "cancelled"];
      const retried = how === "fail" && task.retriesUsed < task.maxRetries;
      return ["accepted", retried ? "pending" : "failed"];
    }
    const first = this.ended.find(
      ({ held: earlier, end: ending }) => sameAttempt(earlier, held) && outcomeOf(ending) === outcomeOf(how),
    );
    return current && first !== undefined ? ["accepted", first.status] : ["LEASE_LOST", undefined];
  }

  /** Two ending calls of one attempt can only be accepted when they say the same. */
  remember(ended: Ended): void {
    const earlier = this.ended.find(({ held }) => sameAttempt(held, ended.held));
    if (earlier === undefined) this.ended.push(ended);
    else
      expect({ end: outcomeOf(ended.end), status: ended.status }).toEqual({
        end: outcomeOf(earlier.end),
        status: earlier.status,
      });
  }

  /** The reply was lost: the same ending call again. */
  async again(which: number): Promise<void> {
    const earlier = this.ended.at(-1 - (which % Math.max(1, this.ended.length)));
    if (earlier === undefined) return;
    const [code, status] = this.foretell(earlier.held, earlier.end);
    let answer: string | undefined;
    const got = await caught(
      this.call(earlier.held, earlier.end).then((reply) => {
        answer = reply;
      }),
    );
    expect([got, answer]).toEqual([code, status]);
  }

  async cancel(index: number, inBurst: boolean): Promise<void> {
    const task = this.watch.tasks[index % Math.max(1, this.watch.tasks.length)];
    if (task === undefined) return;
    const code = await caught(this.scene.store.cancelTask(task.taskId, "no more"));
    const ended = task.status === "completed" || task.status === "failed";
    if (inBurst) expect(["accepted", "TASK_ENDED"]).toContain(code);
    else expect(code).toBe(ended ? "TASK_ENDED" : "accepted");
  }

  /** Whatever happened: with workers that work, everything ends. */
  async drain(): Promise<void> {
    for (let i = 0; i < WORKERS; i++) await this.single({ do: "join", worker: i, capacity: 3, skills: 3 });
    for (let round = 0; round < 200; round++) {
      this.scene.advance(10 * SECOND);
      for (let i = 0; i < WORKERS; i++)
        await this.single({ do: "beat", worker: i, status: "active", capacity: undefined });
      await this.take({ do: "sweep" });
      const live = this.watch.tasks.filter((task) => task.status === "assigned" || task.status === "running");
      for (const task of live) await this.scene.complete(await this.scene.held(task.taskId));
      await this.watch.look({ kind: "work", swept: false });
      if (this.watch.unfinished().length === 0) return;
    }
    expect(this.watch.unfinished()).toEqual([]);
  }
}

/** A failure is the same outcome, retryable or not. */
function outcomeOf(end: End): string {
  return end === "fail for good" ? "fail" : end;
}

function sameAttempt(a: Held, b: Held): boolean {
  return a.taskId === b.taskId && a.attempt === b.attempt && a.agentId === b.agentId;
}

/** Random interleavings of task calls by supervisors and workers keep what section 3 promises of tasks. */
export function taskProperties(open: StoreFactory, runs: number, seed?: number): void {
  describe("any interleaving of task calls", () => {
    it("keeps the guarantees after every step, and can be brought to an end", async () => {
      const property = fc.asyncProperty(steps, async (list) => {
        await withStore(open, BEATS, async (scene) => {
          const run = new TaskRun(scene);
          await run.begin();
          for (const step of list) await run.take(step);
          await run.drain();
        });
      });
      await fc.assert(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
      // Shrinking a counterexample may take longer than the runs.
    }, 600_000);
  });
}
