import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The processes of the demo: started, listened to, and all ended again. */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const START_MILLISECONDS = 20_000;
const STOP_MILLISECONDS = 8_000;

export type Say = (who: string, line: string) => void;

export class Processes {
  readonly #say: Say;
  readonly #children = new Map<string, ChildProcess>();
  readonly #services = new Set<string>();

  constructor(say: Say) {
    this.#say = say;
  }

  /** Starts a TypeScript file of this package; what it prints is passed on under its name. */
  start(name: string, file: string, args: readonly string[], environment: Record<string, string> = {}): ChildProcess {
    const child = spawn(process.execPath, [`${ROOT}${file}`, ...args], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.set(name, child);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#say(name, line));
    }
    return child;
  }

  /**
   * Starts a process of the service on a free port, or on the given one.
   *
   * @param environment says where its database is
   * @returns its base URL
   */
  async startHost(name: string, environment: Record<string, string>, port = 0): Promise<string> {
    this.#services.add(name);
    const host = this.start(name, "src/local/main.ts", [], {
      AGENT_HTTP_HOST: "127.0.0.1",
      AGENT_HTTP_PORT: String(port),
      ...environment,
      // So that a death is noticed within seconds, even on a server where a call may take one.
      AGENT_HEARTBEAT_INTERVAL: "2",
      AGENT_HEARTBEAT_TIMEOUT: "6",
      AGENT_SWEEP_SCHEDULE: "* * * * * *",
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let printed = "";
    host.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      const url = /http:\/\/[\w.:[\]-]+:\d+/.exec(printed)?.[0];
      if (url !== undefined) resolve(`${url}/api`);
    });
    host.once("exit", () => reject(new Error("the service ended before it listened")));
    const timer = setTimeout(() => reject(new Error("the service did not start")), START_MILLISECONDS);
    return promise.finally(() => clearTimeout(timer));
  }

  /** SIGKILL: no goodbye, no draining. @returns its process id */
  kill(name: string): number | undefined {
    const child = this.#children.get(name);
    child?.kill("SIGKILL");
    return child?.pid;
  }

  /** As `kill`, and waits until the process has gone. */
  async killed(name: string): Promise<number | undefined> {
    const child = this.#children.get(name);
    if (child === undefined || child.exitCode !== null) return undefined;
    const exited = once(child, "exit");
    const pid = this.kill(name);
    await exited;
    return pid;
  }

  /** Asks all but the service to end, then the service; whoever does not is killed. */
  async stopAll(): Promise<void> {
    const children = [...this.#children];
    await Promise.all(children.filter(([name]) => !this.#services.has(name)).map(([, child]) => stop(child)));
    await Promise.all(children.filter(([name]) => this.#services.has(name)).map(([, child]) => stop(child)));
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MILLISECONDS);
  await exited;
  clearTimeout(timer);
}
