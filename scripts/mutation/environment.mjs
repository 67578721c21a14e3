import childProcess from "node:child_process";
import Environment from "../../test/support/environment.mjs";

const VARIABLE = "__STRYKER_ACTIVE_MUTANT__";
const { spawn } = childProcess;

/** Processes that a test starts are given the mutant, too: most get an environment of their own. */
childProcess.spawn = (file, args, options) => {
  const mutant = process.env[VARIABLE];
  if (mutant === undefined || options?.env === undefined) return spawn(file, args, options);
  return spawn(file, args, { ...options, env: { ...options.env, [VARIABLE]: mutant } });
};

/** Tests that compare times: sources that are prepared for mutants are several times slower. */
const OF_TIME = /\bin the time of\b/;

/** The mutant that some test of this process has noticed. */
let noticed;

/** The environment of the tests, which after the first failure skips what is left: jest's own bail is deaf in a run from a program. */
export default class extends Environment {
  async handleTestEvent(event) {
    if (event.name === "test_start" && OF_TIME.test(event.test.name)) event.test.mode = "skip";
    const mutant = process.env[VARIABLE];
    if (mutant === undefined) return;
    if (event.name === "test_start" && noticed === mutant) event.test.mode = "skip";
    if (event.name === "test_done" && event.test.errors.length > 0) noticed = mutant;
  }
}
