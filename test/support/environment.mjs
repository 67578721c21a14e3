import { TestEnvironment } from "jest-environment-node";

/**
 * Node, and an end for the processes that a test file has started and not stopped (see child-of-test.ts).
 * Only an environment comes after every `afterAll` of the file; jest's tests do not see the end of the real process.
 */
export default class extends TestEnvironment {
  async teardown() {
    for (const child of this.global.childrenOfTests ?? []) child.kill("SIGKILL");
    await super.teardown();
  }
}
