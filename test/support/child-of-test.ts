import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";

declare global {
  /** What environment.mjs ends after the last hook of a test file. */
  var childrenOfTests: Set<ChildProcess> | undefined;
}

/**
 * A child process that ends with its test file at the latest, and does not hold up jest. A test that fails before it
 * stops its server would otherwise keep jest waiting: in one run of CI 22 minutes, until its time limit.
 *
 * Outside jest the child is left as it is: a bench has nothing else to wait for.
 */
export function childOfTest<Child extends ChildProcess>(child: Child): Child {
  if (process.env.JEST_WORKER_ID === undefined) return child;
  globalThis.childrenOfTests ??= new Set();
  const { childrenOfTests } = globalThis;
  childrenOfTests.add(child);
  child.once("exit", () => childrenOfTests.delete(child));
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref();
  return child;
}
