/** Why a regular expression is not taken, or a text not checked, as words behind its place: "has a backreference …". */
export class PatternProblem extends Error {}

/** Work that may still be done. It is counted and not timed: a busy machine refuses nothing that an idle one takes. */
export class Allowance {
  #left: number;
  readonly #problem: string;

  /** @param problem what is said when it is used up */
  constructor(steps: number, problem: string) {
    this.#left = steps;
    this.#problem = problem;
  }

  /** @throws PatternProblem when nothing is left */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new PatternProblem(this.#problem);
  }
}
