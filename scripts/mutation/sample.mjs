import { createHash } from "node:crypto";
import { settings } from "./settings.mjs";

const key = ({ fileName, location, mutatorName, replacement }) =>
  createHash("sha256")
    .update(
      JSON.stringify([
        settings.seed,
        fileName.replaceAll("\\", "/").replace(/^.*\/src\//, ""),
        location,
        mutatorName,
        replacement,
      ]),
    )
    .digest("hex");

/**
 * A checker of StrykerJS that lets a random sample through, chosen by the seed: the same sources and seed give the same mutants.
 * Stryker asks for groups once, with all mutants; the others count as mutants that do not compile, which the score leaves out.
 */
class SampleChecker {
  #chosen = new Set();

  async init() {}

  async group(mutants) {
    const drawn = mutants
      .map((mutant) => ({ id: mutant.id, key: key(mutant) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const sample = drawn.slice(0, settings.sample === 0 ? drawn.length : settings.sample);
    this.#chosen = new Set(sample.map(({ id }) => id));
    return [mutants.map(({ id }) => id)];
  }

  async check(mutants) {
    return Object.fromEntries(
      mutants.map(({ id }) => [
        id,
        this.#chosen.has(id) ? { status: "passed" } : { status: "compileError", reason: "not in the sample" },
      ]),
    );
  }
}

export const strykerPlugins = [{ kind: "Checker", name: "sample", injectableClass: SampleChecker }];
