import { Alphabet } from "./alphabet.ts";
import { Automaton } from "./automaton.ts";
import { type Assertion, END_BIT, parsePattern, START_BIT } from "./parse-pattern.ts";
import type { Allowance } from "./pattern-problem.ts";
import { Program } from "./program.ts";
import { freshWalk } from "./walk.ts";

/**
 * A regular expression of ECMAScript with the `u` flag that takes time in proportion to the text, whatever the text: RegExp backtracks,
 * and `^(\d+\.?)+;$` takes it for ever at 40 digits. Answers as RegExp.prototype.test does. Backreferences are refused, and so are
 * expressions that repeat too much. The few that can be in very many combinations of places (`a.{50}b`) refuse long texts made for that.
 *
 * https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS
 */
export class LinearPattern {
  readonly #alphabet: Alphabet;
  readonly #assertions: readonly Assertion[];
  /** One for each assertion that looks around, in its place. */
  readonly #looks: readonly (Automaton | undefined)[];
  readonly #main: Automaton;

  /**
   * @param allowance counts its parts, repeated ones as often as they are repeated
   * @throws SyntaxError when it is no regular expression
   * @throws PatternProblem when it cannot be taken
   */
  constructor(pattern: string, allowance: Allowance) {
    const { root, atoms, assertions } = parsePattern(pattern);
    this.#alphabet = new Alphabet(atoms);
    this.#assertions = assertions;
    const automaton = (node: typeof root, reversed: boolean) =>
      new Automaton(new Program(node, reversed, allowance), this.#alphabet);
    // What lies ahead is read from the end of the text: where a match can begin is where the reading accepts.
    this.#looks = assertions.map((one) => (one.kind === "look" ? automaton(one.node, !one.behind) : undefined));
    this.#main = automaton(root, false);
  }

  /** @throws PatternProblem when the text takes too much */
  test(text: string): boolean {
    const symbols = this.#alphabet.read(text);
    const masks = new Uint16Array(symbols.length + 1);
    masks[0] = START_BIT;
    masks[symbols.length] = (masks[symbols.length] ?? 0) | END_BIT;
    const walk = freshWalk(symbols, masks);
    for (const [index, assertion] of this.#assertions.entries()) {
      const bit = END_BIT << (index + 1);
      if (assertion.kind === "look") this.#looks[index]?.walk(Object.assign(walk, { bit }));
      else this.#markEdges(assertion, symbols, masks, bit);
    }
    return this.#main.walk(Object.assign(walk, { bit: 0 }));
  }

  /** Sets `bit` at the boundaries of words, or at the starts or ends of lines. */
  #markEdges(
    assertion: Exclude<Assertion, { kind: "look" }>,
    symbols: Uint16Array,
    masks: Uint16Array,
    bit: number,
  ): void {
    const atom = assertion.kind === "boundary" ? assertion.word : assertion.terminator;
    const { length } = symbols;
    let before = false;
    for (let place = 0; place <= length; place += 1) {
      const after = place < length && this.#alphabet.takes(atom, symbols[place] ?? 0);
      const starts = place === 0 || before;
      const ends = place === length || after;
      const holds = assertion.kind === "boundary" ? before !== after : assertion.side === "start" ? starts : ends;
      if (holds) masks[place] = (masks[place] ?? 0) | bit;
      before = after;
    }
  }
}
