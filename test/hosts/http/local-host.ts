import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childOfTest } from "../../support/child-of-test.ts";

/** Starts the local host as the real process that `npm start` runs, from the sources. */

const MAIN = new URL("../../../src/local/main.ts", import.meta.url).pathname;
const START_LINE =
  /^agent-communication listens on (https?:\S+\/api) \(mode mock, database .+, (?:no credentials required|credentials required)\)$/m;

export interface LocalHost {
  url: string;
  child: ChildProcess;
  folder: string;
  stdout(): string;
  stderr(): string;
  /** Resolves with exit code and signal. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** SIGTERM, wait, remove the folder. */
  stop(): Promise<void>;
}

/** A process with only these settings; what the machine itself has set does not leak in. */
export function spawnHost(settings: Record<string, string>): Omit<LocalHost, "url" | "folder" | "stop"> {
  const env = { PATH: process.env.PATH ?? "", ...settings };
  const child = childOfTest(spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "pipe"] }));
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "agent-communication-"));
}

export async function startLocalHost(settings: Record<string, string> = {}): Promise<LocalHost> {
  const folder = temporaryFolder();
  const host = spawnHost({ AGENT_HTTP_PORT: "0", AGENT_MOCK_DATABASE: join(folder, "agents.db"), ...settings });
  const url = await new Promise<string>((resolve, reject) => {
    const look = () => {
      const found = START_LINE.exec(host.stdout())?.[1];
      if (found !== undefined) resolve(found);
    };
    host.child.stdout?.on("data", look);
    host.ended.then(() => reject(new Error(`the host did not start: ${host.stderr()}`)));
  });
  return {
    ...host,
    url,
    folder,
    async stop() {
      host.child.kill("SIGTERM");
      await host.ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
