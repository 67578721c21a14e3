import { fileURLToPath } from "node:url";
import base from "../../jest.config.mjs";
import { settings } from "./settings.mjs";

/** The tests of one area only: every mutant loads all test files that jest knows of. */
export default {
  ...base,
  rootDir: "../..",
  testMatch: settings.tests.map((path) => `<rootDir>/${path}`),
  // Stryker puts its own environment around this one, and does not know <rootDir>.
  testEnvironment: fileURLToPath(new URL("environment.mjs", import.meta.url)),
};
