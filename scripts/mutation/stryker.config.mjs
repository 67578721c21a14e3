import { settings } from "./settings.mjs";

const plugin = (file) => new URL(file, import.meta.url).href;

/** What StrykerJS is told; `npm run mutate` sets the variable that settings.mjs reads (see docs/mutants.md). */
export default {
  mutate: settings.files,
  testRunner: "jest-by-file",
  // Without the flag jest knows no modules; experimental warnings would fill the log.
  testRunnerNodeArgs: ["--experimental-vm-modules", "--no-warnings"],
  jest: { projectType: "custom", configFile: "scripts/mutation/jest.config.mjs", enableFindRelatedTests: false },
  // Each mutant meets the tests that reach it, and no others.
  coverageAnalysis: "perTest",
  checkers: ["sample"],
  plugins: ["@stryker-mutator/jest-runner", plugin("sample.mjs"), plugin("by-file.mjs")],
  // Stryker asks for the old programming interface of TypeScript, which TypeScript 7 has not; a file that is not there ends it.
  tsconfigFile: "no-tsconfig.json",
  concurrency: 1,
  dryRunTimeoutMinutes: 15,
  timeoutMS: 10_000,
  tempDirName: "out/mutation/sandbox",
  ignorePatterns: ["/dist", "/out", "/.data"],
  reporters: ["json", "progress-append-only"],
  jsonReporter: { fileName: settings.report },
  allowConsoleColors: false,
};
