import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { childOfTest } from "./child-of-test.ts";

/** Types are stripped and modules compiled once, not in each of the many short processes. */
const COMPILE_CACHE = join(tmpdir(), "agent-communication-compile-cache");
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Finished {
  code: number | null;
  out: string;
  error: string;
}

/** Runs a TypeScript file of the package to its end, at most so long. */
export async function runFile(
  file: string,
  args: readonly string[] = [],
  options: { environment?: Record<string, string>; input?: string; cwd?: string; milliseconds?: number } = {},
): Promise<Finished> {
  const child = childOfTest(
    spawn(process.execPath, [`${ROOT}${file}`, ...args], {
      cwd: options.cwd ?? ROOT,
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, ...options.environment },
      stdio: ["pipe", "pipe", "pipe"],
    }),
  );
  const finished: Finished = { code: null, out: "", error: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    finished.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    finished.error += chunk.toString();
  });
  child.stdin.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), options.milliseconds ?? 60_000);
  await once(child, "close");
  clearTimeout(timer);
  finished.code = child.exitCode;
  return finished;
}
