import { readFileSync } from "node:fs";
import Module, { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * Loads a Functions app as the platform's Node worker does, with the worker's own part of `@azure/functions-core`
 * (https://github.com/Azure/azure-functions-nodejs-worker), and tells its parent process what came of it. Not the platform:
 * it routes nothing and keeps no schedule. `node functions-worker.ts <app folder> [--files]`
 */

interface Metadata {
  name: string;
  bindings: Record<string, { type: string; methods?: string[]; route?: string; schedule?: string }>;
}

interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: unknown): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<{ returnValue?: { http?: HttpAnswer } }>;
}

interface ProgrammingModel {
  getInvocationModel(invocation: unknown): InvocationModel;
}

interface HttpAnswer {
  statusCode: string;
  headers: Record<string, string>;
  body?: { bytes?: Uint8Array; string?: string };
}

/** A request as the host hands it to the worker. */
export interface HttpQuestion {
  method: string;
  url: string;
  params?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string;
}

/** What the parent may ask. */
export type Question = { ask: "invoke"; name: string; http: HttpQuestion } | { ask: "files" } | { ask: "stop" };

/** What the parent is told: `started` once, then an answer to each question, in order. `errors` are what the call has logged as such. */
export type Told =
  | {
      told: "started";
      /** When the import of the entry began, in milliseconds since the epoch. */
      began: number;
      importMilliseconds: number;
      /** Import and hooks of the start. */
      startMilliseconds: number;
      /** Processor time of the same. */
      processorMilliseconds: number;
      functions: Metadata[];
    }
  | { told: "answer"; status: number; headers: Record<string, string>; body: string; errors: string[] }
  | { told: "files"; files: string[] }
  | { told: "stopped" };

const functions = new Map<string, { metadata: Metadata; callback: unknown }>();
const hooks = new Map<string, ((context: object) => unknown)[]>();
const files: string[] = [];
let model: ProgrammingModel | undefined;

class Disposable {
  dispose(): void {}
}

const core = {
  version: "3.14.1",
  hostVersion: "4.1052.200",
  Disposable,
  log: () => {},
  registerFunction: (metadata: Metadata, callback: unknown) => {
    functions.set(metadata.name, { metadata, callback });
    return new Disposable();
  },
  registerHook: (name: string, callback: (context: object) => unknown) => {
    hooks.set(name, [...(hooks.get(name) ?? []), callback]);
    return new Disposable();
  },
  setProgrammingModel: (given: ProgrammingModel) => {
    model = given;
  },
  getProgrammingModel: () => model,
};

function tell(told: Told): void {
  process.send?.(told);
}

async function runHooks(name: string, folder: string): Promise<void> {
  for (const hook of hooks.get(name) ?? []) await hook({ hookData: {}, appHookData: {}, functionAppDirectory: folder });
}

async function invoke(name: string, http: HttpQuestion): Promise<Told> {
  const known = functions.get(name);
  if (known === undefined || model === undefined) throw new Error(`no function ${name} is registered`);
  const { body, ...rest } = http;
  const data = {
    http: { params: {}, query: {}, headers: {}, ...rest, ...(body !== undefined && { body: { string: body } }) },
  };
  const errors: string[] = [];
  const [trigger = ""] = Object.entries(known.metadata.bindings).find(([, { type }]) => type === "httpTrigger") ?? [];
  const invocation = model.getInvocationModel({
    invocationId: "invocation",
    request: { inputData: [{ name: trigger, data }], triggerMetadata: {} },
    metadata: known.metadata,
    log: (level: string, _: string, line: string) => {
      if (level === "error") errors.push(line);
    },
  });
  const { context, inputs } = await invocation.getArguments();
  const result = await invocation.invokeFunction(context, inputs, known.callback);
  const answer = (await invocation.getResponse(context, result)).returnValue?.http;
  const bytes = answer?.body?.bytes;
  return {
    told: "answer",
    status: Number(answer?.statusCode),
    headers: { ...answer?.headers },
    body: bytes === undefined ? (answer?.body?.string ?? "") : Buffer.from(bytes).toString(),
    errors,
  };
}

async function answer(folder: string, question: Question): Promise<void> {
  if (question.ask === "invoke") return tell(await invoke(question.name, question.http));
  if (question.ask === "files") return tell({ told: "files", files });
  await runHooks("appTerminate", folder);
  tell({ told: "stopped" });
  process.disconnect();
}

async function main(folder: string): Promise<void> {
  const require = Module.prototype.require;
  Module.prototype.require = function (this: unknown, id: string) {
    return id === "@azure/functions-core" ? core : Reflect.apply(require, this, [id]);
  };
  if (process.argv.includes("--files")) {
    registerHooks({
      load(url, context, next) {
        files.push(url);
        return next(url, context);
      },
    });
  }
  const { main: entry } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const began = performance.timeOrigin + performance.now();
  const before = performance.now();
  const processorBefore = process.cpuUsage();
  await import(pathToFileURL(join(folder, entry)).href);
  const importMilliseconds = performance.now() - before;
  await runHooks("appStart", folder);
  const startMilliseconds = performance.now() - before;
  const { user, system } = process.cpuUsage(processorBefore);
  const registered = [...functions.values()].map(({ metadata }) => metadata);
  process.on("message", (question: Question) => {
    answer(folder, question).catch((error) => {
      console.error(error);
      process.exit(1);
    });
  });
  tell({
    told: "started",
    began,
    importMilliseconds,
    startMilliseconds,
    processorMilliseconds: (user + system) / 1_000,
    functions: registered,
  });
}

// As the worker does: not Node's own words, which would repeat a line of the bundle, and the bundle has few.
main(process.argv[2] ?? ".").catch((error: unknown) => {
  console.error(error instanceof Error ? error.stack : error);
  process.exit(1);
});
