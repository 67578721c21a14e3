import { setImmediate } from "node:timers/promises";
import { type AssignedTask, PermanentError, printable, type TaskContext, Worker } from "../src/client/index.ts";
import { startTelemetry } from "../src/client/telemetry.ts";
import { stopOnSignals } from "../src/client/worker-signals.ts";
import { reportDependencies } from "./analysis/dependencies.ts";
import { findDuplicates } from "./analysis/duplicates.ts";
import { type Inventory, takeInventory } from "./analysis/inventory.ts";
import { checkLinks } from "./analysis/links.ts";
import { judgeReadability } from "./analysis/readability.ts";
import { type Findings, writeReport } from "./analysis/report.ts";
import type { Step } from "./analysis/step.ts";
import { connect } from "./credentials.ts";
import { type DemoParameters, INTERRUPTED_TASK, planTasks, taskIdOf } from "./plan.ts";

/** One worker of the demo, a process of its own: node demo/worker.ts <url> <agentId> <capability,capability> */

const [url = "", agentId = "", capabilities = ""] = process.argv.slice(2);

function parametersOf(task: AssignedTask): DemoParameters {
  const given = task.parameters;
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new PermanentError("no parameters");
  const { folder, part, parts } = given;
  if (typeof folder !== "string" || typeof part !== "number" || typeof parts !== "number") {
    throw new PermanentError("parameters must have folder, part and parts");
  }
  return { folder, part, parts };
}

/** The result of a task that this one depends on. It was written by a worker of the same version, just now. */
async function resultOf<Result>(taskId: string, { client }: TaskContext): Promise<Result> {
  return (await client.getTask(taskId)).result as Result;
}

/** Reports each quarter, and lets heartbeats through after each file. */
function stepOf(task: AssignedTask, context: TaskContext): Step {
  let quarters = 0;
  return {
    signal: context.signal,
    done: async (files, ofFiles) => {
      await setImmediate();
      const reached = Math.floor((4 * files) / ofFiles);
      if (reached === quarters || reached === 4) return;
      quarters = reached;
      const note = `${files} of ${ofFiles} files`;
      console.log(`${task.taskId}: ${reached * 25} %, ${note}`);
      await context.progress(reached * 25, note);
      if (reached >= 2) await holdFirstAttempt(task, context);
    },
  };
}

/** Only so that the demo can kill this process in the middle of the task; nobody's second attempt is held. */
async function holdFirstAttempt(task: AssignedTask, { client, signal, progress }: TaskContext): Promise<void> {
  if (task.taskId !== INTERRUPTED_TASK || task.attempt > 1) return;
  await progress(50, HELD);
  await client.clock.sleep(20_000, signal);
}
/** By this the demo knows whom to kill. */
const HELD = "held at half";

async function work(task: AssignedTask, context: TaskContext): Promise<unknown> {
  const { folder, part, parts } = parametersOf(task);
  const step = stepOf(task, context);
  if (task.taskType === "inventory") return takeInventory(folder, step);
  const inventory = await resultOf<Inventory>(taskIdOf("inventory"), context);
  const markdown = inventory.markdown.filter((_, index) => index % parts === part - 1);
  switch (task.taskType) {
    case "links":
      return checkLinks(folder, markdown, step);
    case "readability":
      return judgeReadability(folder, markdown, step);
    case "duplicates":
      // In an all but empty folder there is no middle to be reached.
      if (inventory.text.length < 4) await holdFirstAttempt(task, context);
      return findDuplicates(folder, inventory.text, step);
    case "dependencies":
      return reportDependencies(folder, inventory.text, step);
    case "report":
      return writeReport(folder, await collect(inventory, folder, context));
    default:
      throw new PermanentError(`nobody here can do ${task.taskType}`);
  }
}

async function collect(inventory: Inventory, folder: string, context: TaskContext): Promise<Findings> {
  const all = <Result>(taskType: string) =>
    Promise.all(
      planTasks(folder)
        .filter((planned) => planned.taskType === taskType)
        .map((planned) => resultOf<Result>(planned.taskId, context)),
    );
  return {
    inventory,
    links: await all("links"),
    readability: await all("readability"),
    duplicates: await resultOf(taskIdOf("duplicates"), context),
    dependencies: await resultOf(taskIdOf("dependencies"), context),
  };
}

// Goes nowhere unless the variables of docs/telemetry.md say so.
const telemetry = await startTelemetry("demo-worker");
const worker = new Worker({
  client: connect(url),
  agentId,
  capabilities: capabilities.split(","),
  maxConcurrentTasks: 2,
  handle: work,
  onEvent: (event) => {
    if ("taskId" in event && "attempt" in event) {
      const failure = event.type === "task_failed" ? `: ${printable(String(event.error))}` : "";
      console.log(`${event.taskId}: ${event.type.replace("task_", "")} (attempt ${event.attempt})${failure}`);
    } else if (event.type === "error") {
      console.log(
        `${event.during} failed: ${event.error instanceof Error ? printable(event.error.message) : "unknown"}`,
      );
    } else if (event.type === "registered") {
      console.log(`ready for ${capabilities}`);
    }
  },
});
await worker.start();
await stopOnSignals(worker);
await telemetry.stop();
