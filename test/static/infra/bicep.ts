import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Readable, Writable } from "node:stream";
import { z } from "zod";
import { ROOT } from "../style/sources.ts";

/**
 * The Bicep compiler as one process that is asked many times (its JSON-RPC, as editors use it): starting it takes a second,
 * compiling a template a tenth of one. It comes as a NuGet package, so that nothing but the .NET SDK has to be there.
 */

const PROJECT = join(ROOT, "scripts/bicep");
const VERSION = /Version="\[([\d.]+)\]"/.exec(readFileSync(join(PROJECT, "bicep.csproj"), "utf8"))?.[1];

/** Why nothing of Bicep can be checked here; undefined where the .NET SDK is on the PATH. */
export const NO_BICEP: string | undefined =
  spawnSync("dotnet", ["--version"], { stdio: "ignore" }).status === 0
    ? undefined
    : "skipped: there is no .NET SDK (dotnet) on the PATH, which brings the Bicep compiler";

/** Ids that a snapshot is made for; any will do. */
const CONTEXT = {
  tenantId: "10000000-0000-0000-0000-000000000001",
  subscriptionId: "20000000-0000-0000-0000-000000000002",
  location: "westeurope",
};
/** Where a template goes that makes no group of its own. */
const RESOURCE_GROUP = "rg-agents-test";

/** What the parameter files have no default for. */
const VARIABLES = {
  SQL_ADMINISTRATOR_GROUP_NAME: "agent-communication-administrators",
  SQL_ADMINISTRATOR_GROUP_ID: "30000000-0000-0000-0000-000000000003",
  ALERT_EMAIL_ADDRESSES: "operators@example.com,night@example.com",
};

const diagnosticSchema = z.object({ source: z.string(), level: z.string(), code: z.string(), message: z.string() });
const compiledSchema = z.object({ success: z.boolean(), diagnostics: z.array(diagnosticSchema) });
const answerSchema = z.union([
  z.object({ id: z.number(), result: z.unknown() }),
  z.object({
    id: z.number(),
    error: z.looseObject({ message: z.string(), data: z.looseObject({ message: z.string() }).optional() }),
  }),
]);

const resourceSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  apiVersion: z.string(),
  kind: z.string().optional(),
  sku: z.looseObject({ name: z.string().optional(), tier: z.string().optional() }).optional(),
  /** A text where only Azure can add them up. */
  tags: z.union([z.record(z.string(), z.string()), z.string()]).optional(),
  scope: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).default({}),
});
const snapshotSchema = z.object({
  predictedResources: z.array(resourceSchema),
  diagnostics: z.array(z.unknown()),
  outputs: z.record(z.string(), z.unknown()).optional(),
});

/** A resource as Azure would be asked for it. What only Azure knows stands in it as an expression, in brackets. */
export type Resource = z.output<typeof resourceSchema>;
export type Snapshot = z.output<typeof snapshotSchema>;

function packageFolder(runtime: string): string {
  const { stdout } = spawnSync("dotnet", ["nuget", "locals", "global-packages", "--list", "--force-english-output"], {
    encoding: "utf8",
  });
  const root = /global-packages:\s*(.+)/.exec(stdout)?.[1]?.trim();
  if (root === undefined || VERSION === undefined) throw new Error(`where are NuGet's packages? ${stdout}`);
  return join(root, `azure.bicep.commandline.${runtime}`, VERSION, "tools");
}

/** The program, brought by NuGet when it is not there yet. */
function program(): string {
  const systems: Record<string, string> = { linux: "linux", darwin: "osx", win32: "win" };
  const runtime = `${systems[process.platform] ?? process.platform}-${process.arch}`;
  const path = join(packageFolder(runtime), process.platform === "win32" ? "bicep.exe" : "bicep");
  if (!existsSync(path)) {
    const intermediate = mkdtempSync(join(tmpdir(), "agent-communication-bicep-"));
    const { status, stdout, stderr } = spawnSync(
      "dotnet",
      ["restore", PROJECT, `-p:BicepRuntime=${runtime}`, `-p:BaseIntermediateOutputPath=${intermediate}/`],
      { encoding: "utf8" },
    );
    rmSync(intermediate, { recursive: true, force: true });
    if (status !== 0) throw new Error(`the Bicep compiler could not be had:\n${stdout}\n${stderr}`);
  }
  chmodSync(path, 0o755);
  return path;
}

/** @example const bicep = Bicep.start(); await bicep.compile("infra/main.bicep"); await bicep.stop(); */
export class Bicep {
  readonly #process: ChildProcess;
  readonly #input: Writable;
  readonly #waiting = new Map<number, (answer: z.output<typeof answerSchema>) => void>();
  #unread: Buffer = Buffer.alloc(0);
  #asked = 0;

  static start(): Bicep {
    // Parameter files read variables; those of whoever runs the tests are not meant.
    const { PATH, HOME, USERPROFILE, LANG } = process.env;
    const started = spawn(program(), ["jsonrpc", "--stdio"], {
      env: { PATH, HOME, USERPROFILE, LANG, ...VARIABLES },
      stdio: ["pipe", "pipe", "inherit"],
    });
    return new Bicep(started, started.stdin, started.stdout);
  }

  private constructor(process: ChildProcess, input: Writable, output: Readable) {
    this.#process = process;
    this.#input = input;
    output.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  /** Everything the compiler and the linter have to say of a template or a parameter file, as `file: level code: message`. */
  async compile(path: string): Promise<string[]> {
    const method = path.endsWith(".bicepparam") ? "bicep/compileParams" : "bicep/compile";
    const { success, diagnostics } = compiledSchema.parse(
      await this.#ask(method, { path: join(ROOT, path), parameterOverrides: {} }),
    );
    const said = diagnostics.map(
      ({ source, level, code, message }) => `${relative(ROOT, source)}: ${level} ${code}: ${message}`,
    );
    return success || said.length > 0 ? said : [`${path}: did not compile`];
  }

  /** The file as `bicep format` writes it. */
  async format(path: string): Promise<string> {
    const formatted = z
      .object({ contents: z.string() })
      .parse(await this.#ask("bicep/format", { path: join(ROOT, path) }));
    return formatted.contents;
  }

  /** What a parameter file would make. @throws Error with what the template says against it */
  async snapshot(path: string, resourceGroup?: string): Promise<Snapshot> {
    const { snapshot } = z
      .object({ snapshot: z.string() })
      .parse(await this.#ask("bicep/getSnapshot", { path: join(ROOT, path), metadata: { ...CONTEXT, resourceGroup } }));
    return snapshotSchema.parse(JSON.parse(snapshot));
  }

  /** What a template makes of other parameters. @throws Error with what the template says against them */
  async snapshotOf(template: string, parameters: Readonly<Record<string, unknown>>): Promise<Snapshot> {
    const folder = mkdtempSync(join(tmpdir(), "agent-communication-parameters-"));
    try {
      const lines = Object.entries(parameters).map(([name, value]) => `param ${name} = ${literal(value)}`);
      const file = join(folder, "main.bicepparam");
      writeFileSync(file, `using '${relative(folder, join(ROOT, template))}'\n${lines.join("\n")}\n`);
      const group = readFileSync(join(ROOT, template), "utf8").includes("targetScope = 'subscription'")
        ? undefined
        : RESOURCE_GROUP;
      return await this.snapshot(relative(ROOT, file), group);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, "exit");
    this.#input.end();
    await gone;
  }

  async #ask(method: string, params: unknown): Promise<unknown> {
    this.#asked += 1;
    const id = this.#asked;
    const answered = new Promise<z.output<typeof answerSchema>>((resolve) => this.#waiting.set(id, resolve));
    const message = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    this.#input.write(`Content-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`);
    const answer = await answered;
    if ("error" in answer) throw new Error(answer.error.data?.message ?? answer.error.message);
    return answer.result;
  }

  /** Messages come with their length before them, as in the language server protocol. */
  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    for (;;) {
      const end = this.#unread.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#unread.subarray(0, end).toString())?.[1]);
      if (this.#unread.length < end + 4 + length) return;
      const body = this.#unread.subarray(end + 4, end + 4 + length).toString();
      this.#unread = this.#unread.subarray(end + 4 + length);
      const answer = answerSchema.parse(JSON.parse(body));
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    }
  }
}

/** A value as Bicep writes it. */
function literal(value: unknown): string {
  if (typeof value === "string")
    return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("${", "\\${")}'`;
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([name, member]) => `${literal(name)}: ${literal(member)}`);
    return `{ ${members.join(", ")} }`;
  }
  return String(value);
}
