import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { HttpQuestion, Question, Told } from "./functions-worker.ts";

/** A Functions app in a process of its own, loaded as the platform's worker loads it. */

const WORKER = fileURLToPath(new URL("./functions-worker.ts", import.meta.url));
/** Settings of whoever runs this are not the app's. */
const KEPT_VARIABLES = ["PATH", "TMPDIR", "TEMP", "SystemRoot"];

export type Started = Extract<Told, { told: "started" }>;
export type Answer = Extract<Told, { told: "answer" }>;

export class AppProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /**
   * @param options.files whether to note which files are loaded, which takes time of its own
   * @throws Error with what the process said when the app does not start
   */
  static async start(
    folder: string,
    settings: Record<string, string>,
    options: { files?: boolean } = {},
  ): Promise<{ app: AppProcess; started: Started }> {
    const kept = KEPT_VARIABLES.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined);
    const child = fork(WORKER, [folder, ...(options.files === true ? ["--files"] : [])], {
      env: { ...Object.fromEntries(kept), ...settings },
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const app = new AppProcess(child);
    const started = await app.#next();
    if (started.told !== "started") throw new Error(`the app said ${started.told} before it had started`);
    return { app, started };
  }

  /** Calls a function as the host would for a request that it has routed to it. */
  async invoke(name: string, http: HttpQuestion): Promise<Answer> {
    const told = await this.#ask({ ask: "invoke", name, http });
    if (told.told !== "answer") throw new Error(`asked for an answer, told ${told.told}`);
    return told;
  }

  /** URLs of the files loaded until now. */
  async files(): Promise<string[]> {
    const told = await this.#ask({ ask: "files" });
    if (told.told !== "files") throw new Error(`asked for files, told ${told.told}`);
    return told.files;
  }

  /** Stops the app as the host does. @returns its exit code */
  async stop(): Promise<number | null> {
    const exited = once(this.#child, "exit");
    await this.#ask({ ask: "stop" });
    await exited;
    return this.#child.exitCode;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #ask(question: Question): Promise<Told> {
    const told = this.#next();
    this.#child.send(question);
    return told;
  }

  #next(): Promise<Told> {
    return new Promise((resolve, reject) => {
      let said = "";
      const hear = (chunk: Buffer) => {
        said += chunk.toString();
      };
      const exit = (code: number | null) => reject(new Error(`the app ended with ${code}: ${said}`));
      this.#child.stderr?.on("data", hear);
      this.#child.once("exit", exit);
      this.#child.once("message", (told: Told) => {
        this.#child.stderr?.off("data", hear);
        this.#child.stderr?.resume();
        this.#child.stdout?.resume();
        this.#child.off("exit", exit);
        resolve(told);
      });
    });
  }
}
