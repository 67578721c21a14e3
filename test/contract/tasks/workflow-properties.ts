import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { DependencyCondition } from "../../../src/lib/model/dependency.ts";
import { NOTIFY, ON_FAILURE } from "../../../src/lib/model/workflow.ts";
import { newWorkflow, type WorkflowTasks } from "../new-workflow.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { MINUTE, payloadField, type Scene } from "../support.ts";
import { ended, type ModelTask, type NewModelTask, WorkflowModel } from "./workflow-model.ts";
import { type Act, type GraphNode, type GraphStep, graphSteps } from "./workflow-steps.ts";

/** One graph: the same steps in the store and in the model. */
class GraphRun {
  readonly #scene: Scene;
  readonly #supervisor: string;
  readonly #model = new WorkflowModel();

  constructor(scene: Scene, supervisor: string) {
    this.#scene = scene;
    this.#supervisor = supervisor;
  }

  async take(step: GraphStep): Promise<void> {
    if (step.do === "task") await this.#createTask(step.node);
    else if (step.do === "workflow") await this.#createWorkflow(step);
    else if (step.do === "act") await this.#act(step);
    else await this.#cancelWorkflow(step.workflow);
    if (this.#model.handedOut > 10) await this.#scene.store.sweep();
  }

  /** Whatever is open ends: then each workflow has ended, too. */
  async drain(): Promise<void> {
    for (let open = this.#open(); open.length > 0; open = this.#open()) {
      const able = open.find(({ status }) => status !== "blocked");
      if (able === undefined) throw new Error("what is blocked waits for nothing that goes on");
      await this.#act({ act: able.status === "pending" ? "cancel" : "complete", task: open.indexOf(able) });
      if (this.#model.handedOut > 10) await this.#scene.store.sweep();
    }
  }

  #open(): ModelTask[] {
    return this.#model.tasks.filter((task) => !ended(task));
  }

  #idOf(task: ModelTask): string {
    return this.#scene.id(`n${this.#model.tasks.indexOf(task)}`);
  }

  #flowId(workflow: number): string {
    return this.#scene.id(`flow${workflow}`);
  }

  /** Of a node that is to be task number `index`. */
  #modelOf({ dependsOn, gate, manned }: GraphNode, index: number, workflow: number | undefined): NewModelTask {
    const found = new Map<number, DependencyCondition>();
    for (const { back, when } of dependsOn) if (back < index) found.set(index - 1 - back, when);
    return { workflow, gate, manned, dependsOn: [...found].map(([task, when]) => ({ task, when })) };
  }

  #inputOf({ gate, manned, dependsOn }: NewModelTask, index: number) {
    const skills = manned ? [this.#scene.skill] : [this.#scene.id("nobody")];
    return {
      taskId: this.#scene.id(`n${index}`),
      taskType: "x",
      dependsOn: dependsOn.map(({ task, when }) => ({ taskId: this.#scene.id(`n${task}`), when })),
      ...(gate
        ? { question: { text: "Go?" } }
        : { requiredCapabilities: skills, timeoutSeconds: 86_400, maxRetries: 1 }),
    };
  }

  async #createTask(node: GraphNode): Promise<void> {
    const index = this.#model.tasks.length;
    const task = this.#modelOf(node, index, undefined);
    this.#model.create([task]);
    const input = this.#inputOf(task, index);
    await this.#scene.submit(this.#supervisor, { requiredCapabilities: [], ...input });
  }

  async #createWorkflow(step: Extract<GraphStep, { do: "workflow" }>): Promise<void> {
    const first = this.#model.tasks.length;
    const workflow = this.#model.workflows.length;
    const onFailure = step.stop ? ON_FAILURE[0] : ON_FAILURE[1];
    const notify = NOTIFY[step.notify] ?? "end";
    const tasks = step.nodes.map((node, place) => this.#modelOf(node, first + place, workflow));
    const inputs: WorkflowTasks = tasks.map((task, place) => ({
      ...this.#inputOf(task, first + place),
      ref: `r${first + place}`,
    }));
    this.#model.workflows.push({ onFailure, notify });
    this.#model.create(tasks);
    const options = { workflowId: this.#flowId(workflow), onFailure, notify };
    const ordered = step.backwards ? inputs.toReversed() : inputs;
    await this.#scene.store.createWorkflow(newWorkflow(this.#scene, this.#supervisor, ordered, options));
  }

  /** What the act is depends on the state: a gate is approved or rejected; of what nobody has only a cancel is possible. */
  async #act({ act, task: which }: { act: Act; task: number }): Promise<void> {
    const open = this.#open();
    const task = open[which % Math.max(1, open.length)];
    if (task === undefined) return;
    const taskId = this.#idOf(task);
    if (act === "cancel" || task.status === "blocked" || task.status === "pending") {
      if (act !== "cancel") return;
      await this.#scene.store.cancelTask(taskId, "no more");
      this.#model.cancel([task]);
    } else if (task.status === "input_required") await this.#answer(task, act !== "fail");
    else await this.#work(task, act);
  }

  async #answer(task: ModelTask, approves: boolean): Promise<void> {
    const taskId = this.#idOf(task);
    const question = await this.#scene.openQuestion(taskId);
    await this.#scene.answer(taskId, question, this.#supervisor, approves ? "yes" : "no", !approves);
    this.#model.end(task, approves ? "completed" : "failed", approves ? undefined : "REJECTED");
  }

  async #work(task: ModelTask, act: Exclude<Act, "cancel">): Promise<void> {
    const held = await this.#scene.held(this.#idOf(task));
    if (act === "start") {
      await this.#scene.start(held);
      this.#model.start(task);
    } else if (act === "complete") {
      await this.#scene.complete(held);
      this.#model.end(task, "completed");
    } else if (act === "fail") {
      await this.#scene.fail(held, { error: "broken", retryable: false });
      this.#model.end(task, "failed", "broken");
    } else {
      await this.#scene.fail(held, { error: "lost" });
      this.#model.lose(task);
      await this.#scene.pass(10 * MINUTE);
    }
  }

  async #cancelWorkflow(which: number): Promise<void> {
    const going = this.#model.workflows
      .map((_, workflow) => workflow)
      .filter((workflow) => this.#model.of(workflow).some((task) => !ended(task)));
    const workflow = going[which % Math.max(1, going.length)];
    if (workflow === undefined) return;
    await this.#scene.store.cancelWorkflow(this.#flowId(workflow), "no more");
    this.#model.cancel(this.#model.of(workflow));
  }

  /** The store says what the model says. */
  async compare(): Promise<void> {
    const { tasks, workflows } = this.#model;
    const states = new Map<string, string>();
    for (const workflow of workflows.keys()) {
      const shown = await this.#scene.store.getWorkflow(this.#flowId(workflow));
      for (const task of shown.tasks) states.set(task.taskId, stateOf(task));
      const counts = Object.fromEntries(Object.entries(shown.counts).filter(([, count]) => count > 0));
      expect({ workflow, status: shown.status, version: shown.version, counts }).toEqual({
        workflow,
        ...this.#model.summary(workflow),
      });
    }
    for (const task of tasks.filter(({ workflow }) => workflow === undefined)) {
      states.set(this.#idOf(task), stateOf(await this.#scene.look(this.#idOf(task))));
    }
    const foretold = tasks.map((task) => [this.#idOf(task), stateOf(task)]);
    expect(Object.fromEntries(states)).toEqual(Object.fromEntries(foretold));
    await this.#compareMessages();
  }

  async #compareMessages(): Promise<void> {
    const { tasks, workflows } = this.#model;
    const messages = await this.#scene.peek(this.#supervisor);
    const told = messages.flatMap((message) => {
      if (message.type === "task_result")
        return [`${payloadField(message, "taskId")} ${payloadField(message, "status")}`];
      if (message.type === "workflow_result")
        return [`${payloadField(message, "workflowId")} ${payloadField(message, "status")}`];
      return [];
    });
    const ofTasks = tasks.filter((task) => this.#model.tells(task)).map((task) => `${this.#idOf(task)} ${task.status}`);
    const ofWorkflows = [...workflows.entries()].flatMap(([workflow, { notify }]) => {
      const { status } = this.#model.summary(workflow);
      return notify === "end" && status !== "running" ? [`${this.#flowId(workflow)} ${status}`] : [];
    });
    expect(told.toSorted()).toEqual([...ofTasks, ...ofWorkflows].toSorted());
  }
}

/** The status of a task that has not ended badly, else why. */
function stateOf({ status, error }: { status: string; error?: string | undefined }): string {
  return status === "failed" || status === "cancelled" ? `${status}: ${error}` : status;
}

/** Some graphs for every engine; the embedded one gets more of them (properties.test.ts). */
export function workflowGraphsContract(open: StoreFactory): void {
  workflowProperties(open, 4);
}

/** Random graphs of tasks and workflows, whose tasks end in random ways, become what docs/workflows.md says. */
export function workflowProperties(open: StoreFactory, runs: number, seed?: number): void {
  describe("any graph of tasks and workflows", () => {
    const stage = useStore(open);

    it(`is what a model by brute force says, after every step (${runs} graphs)`, async () => {
      const property = fc.asyncProperty(graphSteps, async (list) => {
        const scene = stage.scene();
        const run = new GraphRun(scene, await scene.supervisor());
        await scene.worker(1_000);
        for (const step of list) {
          await run.take(step);
          await run.compare();
        }
        await run.drain();
        await run.compare();
      });
      await fc.assert(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
    }, 900_000);
  });
}
