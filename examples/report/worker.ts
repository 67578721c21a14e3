import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type AssignedTask, PermanentError, printable, type TaskContext, Worker } from "../../src/client/index.ts";
import { stopOnSignals } from "../../src/client/worker-signals.ts";
import { client } from "../settings.ts";
import { examine, page } from "./examine.ts";

/**
 * The worker of the report: examines Markdown files, writes a draft, publishes or withdraws it. See examples/README.md.
 *
 * node examples/report/worker.ts [--seconds-per-file 1] [--agent-id reporter-1]
 */

const { values: options } = parseArgs({
  options: {
    "agent-id": { type: "string", default: "reporter-1" },
    // Counting words takes a millisecond: with a second for each file there is time to see it happen, and to interrupt it.
    "seconds-per-file": { type: "string", default: "0" },
  },
});
const MILLISECONDS_PER_FILE = Number(options["seconds-per-file"]) * 1_000;
const OUT = "out/report";

const fileReport = z.object({ file: z.string(), words: z.number(), problems: z.array(z.string()) });
const examined = z.object({ files: z.array(fileReport), failed: z.array(z.string()) });
const draft = z.object({ path: z.string(), text: z.string() });
const named = z.object({ name: z.string().regex(/^[a-z0-9-]+$/) });

/** What a task brings is checked. What does not fit would not fit the next time either: no retry. */
function read<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const { success, data, error } = schema.safeParse(value);
  if (!success) throw new PermanentError(z.prettifyError(error));
  return data;
}

/** Tasks come from others: they may name files below the folder that the worker runs in, and no others. */
function below(path: string): string {
  const within = relative(process.cwd(), resolve(path));
  if (within === ".." || within.startsWith(`..${sep}`)) throw new PermanentError(`${path} is outside of this folder`);
  return path;
}

/** A page is there as a whole or not at all, whenever the process is killed. */
async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** The result of the task that the workflow calls `ref`. */
function resultOf({ dependencies }: AssignedTask, ref: string): unknown {
  return dependencies.find((dependency) => dependency.ref === ref)?.result;
}

/** Fan-out: a child for each file. Join: the attempt that comes when all of them have ended. */
async function examineFolder({ parameters, resume }: AssignedTask, context: TaskContext): Promise<unknown> {
  if (resume?.children === undefined) {
    const { folder } = read(z.object({ folder: z.string() }), parameters);
    const names = (await readdir(below(folder))).filter((name) => name.endsWith(".md")).sort();
    const children = names.map((name) => ({
      ref: name,
      taskType: "report.file",
      requiredCapabilities: ["reports"],
      parameters: { file: join(folder, name) },
    }));
    console.log(`${folder}: ${children.length} files`);
    return context.spawn(children);
  }
  const ended = resume.children;
  const files = ended.filter(({ status }) => status === "completed").map(({ result }) => read(fileReport, result));
  const failed = ended.filter(({ status }) => status !== "completed").map(({ ref, error }) => `${ref}: ${error}`);
  return { files, failed };
}

async function examineFile({ parameters }: AssignedTask, { signal }: TaskContext): Promise<unknown> {
  const { file } = read(z.object({ file: z.string() }), parameters);
  await client.clock.sleep(MILLISECONDS_PER_FILE, signal);
  signal.throwIfAborted();
  const found = examine(file, await readFile(below(file), "utf8"));
  console.log(`${file}: ${found.words} words, ${found.problems.length} problems`);
  return found;
}

async function writeDraft(task: AssignedTask): Promise<unknown> {
  const { name } = read(named, task.parameters);
  const { files, failed } = read(examined, resultOf(task, "examine"));
  const path = `${OUT}/drafts/${name}.md`;
  const text = page(`Report on ${name}`, files, failed);
  await write(path, text);
  console.log(`draft ${path}`);
  return { path, text };
}

/** Writes the text that was approved, even if the draft has changed since. */
async function publish(task: AssignedTask): Promise<unknown> {
  const { name } = read(named, task.parameters);
  const { path, text } = read(draft, resultOf(task, "draft"));
  const published = `${OUT}/published/${name}.md`;
  await write(published, text);
  await rm(below(path), { force: true });
  console.log(`published ${published}`);
  return { published };
}

/** Compensation: what was written for nothing is taken away. */
async function withdraw({ parameters }: AssignedTask): Promise<unknown> {
  const { name } = read(named, parameters);
  const path = `${OUT}/drafts/${name}.md`;
  await rm(path, { force: true });
  console.log(`withdrew ${path}`);
  return { withdrawn: path };
}

type Handler = (task: AssignedTask, context: TaskContext) => Promise<unknown>;
const HANDLERS = new Map<string, Handler>([
  ["report.examine", examineFolder],
  ["report.file", examineFile],
  ["report.draft", writeDraft],
  ["report.publish", publish],
  ["report.withdraw", withdraw],
]);

const worker = new Worker({
  client,
  agentId: options["agent-id"],
  capabilities: ["reports"],
  maxConcurrentTasks: 2,
  handle: (task, context) => {
    const handler = HANDLERS.get(task.taskType);
    if (handler === undefined) throw new PermanentError(`${task.taskType} is no task of this worker`);
    return handler(task, context);
  },
  onEvent: (event) => {
    // The text may be an agent's: shown so that it cannot act on the terminal.
    if (event.type === "task_failed") console.log(`failed: ${printable(event.error)}`);
    else if (event.type === "registered") console.log(`${options["agent-id"]} is ready`);
  },
});
await worker.start();
await stopOnSignals(worker);
