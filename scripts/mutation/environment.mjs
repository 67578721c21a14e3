import Environment from "../../test/support/environment.mjs";

/** The mutant that some test of this process has noticed. */
let noticed;

/** The environment of the tests, which after the first failure skips what is left: jest's own bail is deaf in a run from a program. */
export default class extends Environment {
  async handleTestEvent(event) {
    const mutant = process.env.__STRYKER_ACTIVE_MUTANT__;
    if (mutant === undefined) return;
    if (event.name === "test_start" && noticed === mutant) event.test.mode = "skip";
    if (event.name === "test_done" && event.test.errors.length > 0) noticed = mutant;
  }
}
