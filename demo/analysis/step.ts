/** How an analysis tells how far it is, and how it learns that it should stop. */
export interface Step {
  signal: AbortSignal;
  /** Called after each file; lets heartbeats through. */
  done(files: number, ofFiles: number): Promise<void>;
}

/** Calls `work` for each path, in order. */
export async function forEachFile(
  paths: readonly string[],
  step: Step,
  work: (path: string) => Promise<void>,
): Promise<void> {
  let files = 0;
  for (const path of paths) {
    step.signal.throwIfAborted();
    await work(path);
    await step.done(++files, paths.length);
  }
}
