import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { childOfTest } from "./child-of-test.ts";

/** The real local host, as a process of its own, on a free port with a database of its own. */

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** As `npm start` has them: Node 24 keeps up to 128 MiB for what has just been made, which is mostly empty. */
export const START_OPTIONS = ["--max-semi-space-size=16"];
const START_MILLISECONDS = 30_000;
const STOP_MILLISECONDS = 10_000;

export interface LocalHost {
  /** `http://127.0.0.1:<port>`, https where the settings name a certificate */
  origin: string;
  /** `http://127.0.0.1:<port>/api` */
  baseUrl: string;
  port: number;
  database: string;
  process: ChildProcess;
  /** Everything it printed. */
  output(): string;
  /** SIGTERM, and SIGKILL if that does not help; removes the database unless `keep`. @returns the exit code */
  stop(options?: { keep?: boolean }): Promise<number | null>;
}

/**
 * Starts `node src/local/main.ts` and waits for the line that says where it listens.
 *
 * @param environment settings beside the port and the database
 */
export async function startLocalHost(
  environment: Readonly<Record<string, string>> = {},
  options: { database?: string } = {},
): Promise<LocalHost> {
  const folder =
    options.database === undefined ? await mkdtemp(join(tmpdir(), "agent-communication-test-")) : undefined;
  const database = options.database ?? join(folder ?? tmpdir(), "agents.db");
  const child = childOfTest(
    spawn(process.execPath, [...START_OPTIONS, join(ROOT, "src/local/main.ts")], {
      cwd: ROOT,
      env: {
        ...process.env,
        AGENT_COMMUNICATION_MODE: "mock",
        AGENT_HTTP_HOST: "127.0.0.1",
        AGENT_HTTP_PORT: "0",
        AGENT_MOCK_DATABASE: database,
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  let printed = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const listen = (chunk: Buffer) => {
    printed += chunk.toString();
    const origin = /https?:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
    if (origin !== undefined) resolve(origin);
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  child.once("exit", (code) => reject(new Error(`the local host ended with ${code}: ${printed}`)));
  const timer = setTimeout(() => reject(new Error(`the local host did not start: ${printed}`)), START_MILLISECONDS);
  try {
    const origin = await promise;
    return {
      origin,
      baseUrl: `${origin}/api`,
      port: Number(new URL(origin).port),
      database,
      process: child,
      output: () => printed,
      stop: async ({ keep = false } = {}) => {
        const code = await stopProcess(child);
        if (!keep && folder !== undefined) await rm(folder, { recursive: true, force: true });
        return code;
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** @returns the exit code; null when a signal ended it */
export async function stopProcess(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MILLISECONDS);
    await exited;
    clearTimeout(timer);
  }
  return child.exitCode;
}
