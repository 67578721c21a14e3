import { expect, it } from "@jest/globals";
import { places, sourcesIn } from "./sources.ts";

/** A failed test must not leave a process that holds up the whole run (test/support/child-of-test.ts). */

it("a test starts no process that could outlive its file", () => {
  const tests = sourcesIn("test").filter(
    ({ path }) => !path.startsWith("test/static/infra/") && !path.startsWith("test/static/style/"),
  );
  // `context.spawn` of a worker's handler makes tasks.
  const spawning = places(tests, /(?<!\.)\bspawn\(/);
  expect(spawning.length).toBeGreaterThan(10);
  const wrapped = tests.flatMap(({ path, text }) =>
    [...text.matchAll(/(\w*\(\s*)?(?<!\.)\bspawn\(/g)]
      .filter((match) => !/^childOfTest\(\s*$/.test(match[1] ?? ""))
      .map(() => path),
  );
  expect(wrapped).toEqual([]);
});
