import type { AgentClient } from "./agent-client.ts";
import { isLost } from "./attempt-errors.ts";
import { errorText, shortText } from "./handler-errors.ts";

/** Reports of one attempt's progress: one at a time, and of those that come meanwhile only the latest. */

/** A report that comes late is worth little. */
const BUDGET_MILLISECONDS = 6_000;

/** The attempt whose progress is reported, and the listeners for the replies. */
export interface ProgressOptions {
  client: AgentClient;
  taskId: string;
  attempt: { agentId: string; attempt: number };
  /** Ends the reports. */
  signal: AbortSignal;
  traceparent(): string | undefined;
  onCancelRequested(): void;
  onLost(): void;
  onLog(line: string): void;
}

interface Report {
  percent?: number;
  note?: string;
}

export class TaskProgress {
  readonly #options: ProgressOptions;
  #report: Report | undefined;
  #reporting: Promise<void> | undefined;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** Resolves when this report, or a later one in its place, was sent or given up. Never rejects. */
  report(percent: unknown, note: unknown): Promise<void> {
    this.#report = { ...this.#report, ...this.#read(percent, note) };
    this.#reporting ??= this.#sendAll().finally(() => {
      this.#reporting = undefined;
    });
    return this.#reporting;
  }

  /** What a handler gives may be anything: a report must not fail its task. */
  #read(percent: unknown, note: unknown): Report {
    const isNumber = typeof percent === "number" && !Number.isNaN(percent);
    if (percent !== undefined && !isNumber)
      this.#options.onLog("percent is left out of the progress: it is not a number");
    return {
      ...(isNumber ? { percent: Math.min(100, Math.max(0, percent)) } : {}),
      ...(note === undefined ? {} : { note: typeof note === "string" ? shortText(note) : errorText(note) }),
    };
  }

  async #sendAll(): Promise<void> {
    const { client, taskId, attempt, signal, traceparent, onCancelRequested, onLost, onLog } = this.#options;
    while (this.#report !== undefined && !signal.aborted) {
      const report = this.#report;
      this.#report = undefined;
      try {
        const options = { signal, retryBudgetMilliseconds: BUDGET_MILLISECONDS, traceparent: traceparent() };
        const reply = await client.progressTask(taskId, { ...attempt, ...report }, options);
        if (reply.cancelRequested) onCancelRequested();
      } catch (error) {
        if (isLost(error)) onLost();
        else if (!signal.aborted) onLog(`progress not reported: ${errorText(error)}`);
      }
    }
  }
}
