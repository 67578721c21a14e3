import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { strykerPlugins as runners } from "@stryker-mutator/jest-runner";
import { settings } from "./settings.mjs";

const [jest] = runners;
const PLACES = `${settings.report}.tests`;

/** Files of the tests of a mutant; undefined if it meets all of them. */
function filesOf(testFilter) {
  if (testFilter === undefined || !existsSync(PLACES)) return undefined;
  const places = new Map(JSON.parse(readFileSync(PLACES, "utf8")));
  return [...new Set(testFilter.flatMap((id) => places.get(id) ?? []))];
}

/**
 * The runner for jest, which names tests and not their files: jest would load every file for every mutant, seconds each time.
 * Where each test is, the first run says; it stands in a file, because a mutant that does not end takes its process along.
 */
function byFile(injector) {
  const runner = jest.factory(injector);
  const { jestTestAdapter } = runner;
  const run = jestTestAdapter.run.bind(jestTestAdapter);
  const dryRun = runner.dryRun.bind(runner);
  const mutantRun = runner.mutantRun.bind(runner);
  let testFiles;
  jestTestAdapter.run = (asked) => run({ ...asked, testFiles: testFiles ?? asked.testFiles });
  runner.dryRun = async (options) => {
    const result = await dryRun(options);
    const places = Map.groupBy(result.tests ?? [], ({ id }) => id);
    mkdirSync(dirname(PLACES), { recursive: true });
    writeFileSync(
      PLACES,
      JSON.stringify([...places].map(([id, tests]) => [id, tests.map(({ fileName }) => fileName)])),
    );
    return result;
  };
  runner.mutantRun = (options) => {
    testFiles = filesOf(options.testFilter);
    return mutantRun(options);
  };
  return runner;
}
byFile.inject = jest.factory.inject;

export const strykerPlugins = [{ kind: "TestRunner", name: "jest-by-file", factory: byFile }];
