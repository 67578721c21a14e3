import { createContext, Script } from "node:vm";

/** node:vm is the one way to stop synchronous code; it ends whatever the script called, regular expressions included. */
const sandbox: { run: () => unknown } = { run: () => undefined };
const context = createContext(sandbox);
const script = new Script("run()");

/** A watch that ends the work has seen the time of day; below this share of it, the machine gave the time to others. */
const OWN_SHARE = 0.7;
/** On a machine that is so busy, the work is tried again, with twice the time of day. */
const TRIES = 4;

/**
 * Runs `work` synchronously for at most `milliseconds` of processor time; costs about 0.1 ms (a watching thread) on top of the
 * work. The work must be one that can begin anew: only the time of day can be watched, so that on a busy machine it is ended
 * too early.
 *
 * @throws Error with code ERR_SCRIPT_EXECUTION_TIMEOUT when it takes longer; whatever `work` throws
 */
export function withinTime<Result>(work: () => Result, milliseconds: number): Result {
  for (let tries = 1, limit = milliseconds; ; tries += 1, limit *= 2) {
    const began = processorTime();
    try {
      return ended(work, limit);
    } catch (error) {
      const own = processorTime() - began;
      if (!isTimeout(error) || tries === TRIES || own >= milliseconds * OWN_SHARE) throw error;
    }
  }
}

/** Milliseconds that this thread has worked; of the whole process before Node 23.9. */
function processorTime(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1_000;
}

function isTimeout(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
  );
}

function ended<Result>(work: () => Result, milliseconds: number): Result {
  const holder: { result?: { value: Result } } = {};
  sandbox.run = () => {
    holder.result = { value: work() };
  };
  try {
    script.runInContext(context, { timeout: milliseconds });
  } finally {
    // Nothing of the work stays behind in the context.
    sandbox.run = () => undefined;
  }
  if (holder.result === undefined) throw new Error("the work did not end");
  return holder.result.value;
}
