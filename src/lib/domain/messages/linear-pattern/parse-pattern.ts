import { PatternProblem } from "./pattern-problem.ts";

/**
 * The parts of a regular expression of ECMAScript with the `u` flag, which RegExp has taken already: only its structure is found here. What
 * takes one character (a class, an escape, a property) stays text, and RegExp itself says which characters those are.
 * https://tc39.es/ecma262/#sec-patterns
 */
export type PatternNode =
  | { kind: "character"; atom: number }
  | { kind: "assertion"; bit: number; negated: boolean }
  | { kind: "sequence"; parts: readonly PatternNode[] }
  | { kind: "choice"; parts: readonly PatternNode[] }
  | { kind: "repeat"; part: PatternNode; min: number; max: number };

/** What holds at some places of a text; the numbers are those of atoms. */
export type Assertion =
  | { kind: "boundary"; word: number }
  | { kind: "line"; side: "start" | "end"; terminator: number }
  | { kind: "look"; behind: boolean; node: PatternNode };

export interface ParsedPattern {
  root: PatternNode;
  /** The source of each different part that takes one character. */
  atoms: readonly string[];
  /** Assertions other than those of the text's ends, each before those that contain it. Bit 2 belongs to the first. */
  assertions: readonly Assertion[];
}

/** The bits of the two ends of a text; those of `assertions` follow. */
export const START_BIT = 1;
export const END_BIT = 2;
const OWN_BITS = 2;

/** Each takes a pass over the text. */
const ASSERTIONS_MAX = 8;
const DEPTH_MAX = 100;

const GROUP = /\((?:\?(?:(<?[=!])|<[^>]+>|([ims]*)(?:-([ims]*))?:))?/uy;
const QUANTIFIER = /(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/uy;
const BACKREFERENCE = /\\(?:k<[^>]*>|[1-9]\d*)/uy;
const CHARACTER =
  /\[(?:\\.|[^\]\\])*\]|\\(?:u\{[^}]*\}|u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[a-zA-Z]|[pP]\{[^}]*\}|.)|./suy;

/** @throws SyntaxError when RegExp does not take it, PatternProblem when it cannot be checked in linear time */
export function parsePattern(pattern: string): ParsedPattern {
  new RegExp(pattern, "u");
  return new PatternParser(pattern).run();
}

class PatternParser {
  readonly #text: string;
  readonly #atoms = new Map<string, number>();
  readonly #assertions: Assertion[] = [];
  #at = 0;
  #depth = 0;
  /** The modifiers that hold here: some of i, m and s. */
  #flags = "";

  constructor(text: string) {
    this.#text = text;
  }

  run(): ParsedPattern {
    const root = this.#choice();
    return { root, atoms: [...this.#atoms.keys()], assertions: this.#assertions };
  }

  #take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text);
    if (found !== null) this.#at = expression.lastIndex;
    return found;
  }

  #choice(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#text[this.#at] === "|") {
      this.#at += 1;
      parts.push(this.#sequence());
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "choice", parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#text.charAt(this.#at))) {
      parts.push(this.#repeated(this.#term()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(part: PatternNode): PatternNode {
    const found = this.#take(QUANTIFIER);
    if (found === null) return part;
    const [, sign, least, comma, most] = found;
    if (sign !== undefined)
      return { kind: "repeat", part, min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Infinity };
    const max = comma === "" ? Number(least) : most === "" ? Infinity : Number(most);
    return { kind: "repeat", part, min: Number(least), max };
  }

  #term(): PatternNode {
    const group = this.#take(GROUP);
    if (group !== null) return this.#group(group);
    const reference = this.#take(BACKREFERENCE)?.[0];
    if (reference !== undefined) {
      throw new PatternProblem(
        `is a regular expression with a backreference, ${reference.slice(0, 40)}: write out what may be repeated, or leave that to the receiver`,
      );
    }
    const source = this.#take(CHARACTER)?.[0] ?? "";
    switch (source) {
      case "^":
        return this.#edge("start");
      case "$":
        return this.#edge("end");
      case "\\b":
      case "\\B":
        return this.#asserted({ kind: "boundary", word: this.#atom("\\w") }, source === "\\B");
      default:
        return { kind: "character", atom: this.#atom(source) };
    }
  }

  #group([, look, on, off]: RegExpExecArray): PatternNode {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) {
      throw new PatternProblem(`is a regular expression with groups deeper than ${DEPTH_MAX} levels`);
    }
    const outside = this.#flags;
    // A group without modifiers (`(?:` and a name as well) keeps those around it.
    this.#flags = [..."ims"].filter((flag) => (outside + (on ?? "")).includes(flag) && !off?.includes(flag)).join("");
    const node = this.#choice();
    this.#flags = outside;
    this.#depth -= 1;
    this.#at += 1;
    if (look === undefined) return node;
    return this.#asserted({ kind: "look", behind: look.startsWith("<"), node }, look.endsWith("!"));
  }

  #edge(side: "start" | "end"): PatternNode {
    if (!this.#flags.includes("m")) {
      return { kind: "assertion", bit: side === "start" ? START_BIT : END_BIT, negated: false };
    }
    return this.#asserted({ kind: "line", side, terminator: this.#atom("[\\n\\r\\u2028\\u2029]") }, false);
  }

  #asserted(assertion: Assertion, negated: boolean): PatternNode {
    const known = this.#assertions.findIndex((other) => isSameEdge(other, assertion));
    const index = known < 0 ? this.#assertions.push(assertion) - 1 : known;
    if (index >= ASSERTIONS_MAX) {
      throw new PatternProblem(
        `is a regular expression with more than ${ASSERTIONS_MAX} lookarounds: write some of them as patterns of their own, in allOf`,
      );
    }
    return { kind: "assertion", bit: 1 << (OWN_BITS + index), negated };
  }

  #atom(source: string): number {
    const flags = this.#flags.replace("m", "");
    const whole = flags === "" ? source : `(?${flags}:${source})`;
    const known = this.#atoms.get(whole);
    if (known !== undefined) return known;
    this.#atoms.set(whole, this.#atoms.size);
    return this.#atoms.size - 1;
  }
}

/** Boundaries of words and lines are the same wherever they are written. */
function isSameEdge(one: Assertion, other: Assertion): boolean {
  if (one.kind === "boundary") return other.kind === "boundary" && one.word === other.word;
  return one.kind === "line" && other.kind === "line" && one.side === other.side && one.terminator === other.terminator;
}
