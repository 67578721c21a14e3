import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { strykerPlugins as runners } from "@stryker-mutator/jest-runner";
import { settings } from "./settings.mjs";

const [jest] = runners;
const PLACES = `${settings.report}.tests`;

const startsProcesses = (fileName) => settings.processes.some((path) => fileName.endsWith(`/${path}`));

/**
 * The tests that a mutant meets: first those of this process, then file by file those that start others, which take long.
 *
 * @returns names (undefined: all) and files of each round
 */
function roundsOf(testFilter) {
  const places = new Map(JSON.parse(readFileSync(PLACES, "utf8")));
  const ids = testFilter ?? [...places.keys()];
  const files = [...new Set(ids.flatMap((id) => places.get(id) ?? []))];
  const rounds = [
    files.filter((file) => !startsProcesses(file)),
    ...files.filter(startsProcesses).map((file) => [file]),
  ];
  return rounds
    .filter((those) => those.length > 0)
    .map((those) => ({
      names: testFilter?.filter((id) => places.get(id)?.some((file) => those.includes(file))),
      files: those,
    }));
}

/** So many mutants that no test reaches may follow the last one that a test does. */
const UNREACHED_MAX = 2_000;

/** What a test reaches in a process that it starts is not seen: tests of such files count as reaching every mutant. */
function reachEverything({ tests, mutantCoverage: coverage }) {
  const reached = [coverage.static, ...Object.values(coverage.perTest)].flatMap((mutants) => Object.keys(mutants));
  const last = reached.reduce((highest, id) => Math.max(highest, Number(id)), 0) + UNREACHED_MAX;
  for (const { id, fileName } of tests) {
    if (!startsProcesses(fileName)) continue;
    coverage.perTest[id] = Object.fromEntries(Array.from({ length: last }, (_, mutant) => [String(mutant), 1]));
  }
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
    if (result.mutantCoverage !== undefined) reachEverything(result);
    const places = Map.groupBy(result.tests ?? [], ({ id }) => id);
    mkdirSync(dirname(PLACES), { recursive: true });
    writeFileSync(
      PLACES,
      JSON.stringify([...places].map(([id, tests]) => [id, tests.map(({ fileName }) => fileName)])),
    );
    return result;
  };
  runner.mutantRun = async (options) => {
    let result;
    for (const { names, files } of roundsOf(options.testFilter)) {
      testFiles = files;
      result = await mutantRun({ ...options, testFilter: names });
      if (result.status !== "survived") break;
    }
    return result;
  };
  return runner;
}
byFile.inject = jest.factory.inject;

export const strykerPlugins = [{ kind: "TestRunner", name: "jest-by-file", factory: byFile }];
