import { BoundedMap } from "../../../base/bounded-map.ts";
import { PatternProblem } from "./pattern-problem.ts";

/** Code points below it are looked up in a table. */
const TABLE = 128;
/** Remembered beyond the table; the others are asked for anew. */
const REMEMBERED_MAX = 1_024;
/** Classes that have to be asked about each character beyond ASCII, 50 ns each. */
const WIDE_CLASSES_MAX = 16;
/** What fits into the array of a text. */
const SYMBOLS_MAX = 65_536;

/**
 * The characters of a text as far as an expression tells them apart: those that the same atoms take are one symbol. RegExp says which
 * atoms take a character; of most it is known beyond ASCII without asking.
 */
export class Alphabet {
  /** By symbol, from 1 on. */
  readonly #atomsOf: ReadonlySet<number>[] = [new Set()];
  readonly #symbols = new Map<string, number>();
  /** Of ASCII; 0 where nobody has asked yet. */
  readonly #table = new Uint16Array(TABLE);
  readonly #remembered = new BoundedMap<number, number>(REMEMBERED_MAX);
  readonly #literals = new Map<number, number>();
  readonly #classes: AtomClass[] = [];

  constructor(atoms: readonly string[]) {
    for (const [atom, source] of atoms.entries()) {
      const literal = literalOf(source);
      if (literal === undefined) this.#classes.push(classOf(atom, source));
      else this.#literals.set(literal, atom);
    }
    if (this.#classes.filter(({ beyond }) => beyond === undefined).length > WIDE_CLASSES_MAX) {
      throw new PatternProblem(
        `is a regular expression with more than ${WIDE_CLASSES_MAX} different classes of characters beyond ASCII`,
      );
    }
  }

  takes(atom: number, symbol: number): boolean {
    return this.#atomsOf[symbol]?.has(atom) === true;
  }

  /** By atom 1 where it takes the symbol. */
  taken(symbol: number): Uint8Array {
    const taken = new Uint8Array(this.#literals.size + this.#classes.length);
    for (const atom of this.#atomsOf[symbol] ?? []) taken[atom] = 1;
    return taken;
  }

  /** A text as symbols, one for each code point. */
  read(text: string): Uint16Array {
    const symbols = new Uint16Array(text.length);
    const table = this.#table;
    let length = 0;
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      const known = unit < TABLE ? (table[unit] ?? 0) : 0;
      if (known === 0) {
        const code = text.codePointAt(at) ?? unit;
        symbols[length] = this.#symbolOf(code);
        if (code > 0xffff) at += 1;
      } else symbols[length] = known;
      length += 1;
    }
    return symbols.subarray(0, length);
  }

  #symbolOf(code: number): number {
    const known = this.#remembered.get(code);
    if (known !== undefined) return known;
    const symbol = this.#find(code);
    if (code < TABLE) this.#table[code] = symbol;
    else this.#remembered.set(code, symbol);
    return symbol;
  }

  #find(code: number): number {
    const character = String.fromCodePoint(code);
    // The two separators are those beyond ASCII that a point does not take.
    const known = code >= TABLE && code !== 0x2028 && code !== 0x2029;
    const atoms: number[] = [];
    const literal = this.#literals.get(code);
    if (literal !== undefined) atoms.push(literal);
    for (const { atom, beyond, expression } of this.#classes) {
      if (known && beyond !== undefined ? beyond : expression.test(character)) atoms.push(atom);
    }
    const key = atoms.join();
    const same = this.#symbols.get(key);
    if (same !== undefined) return same;
    const symbol = this.#atomsOf.push(new Set(atoms)) - 1;
    if (symbol >= SYMBOLS_MAX) throw new PatternProblem("tells too many characters apart");
    this.#symbols.set(key, symbol);
    return symbol;
  }
}

interface AtomClass {
  atom: number;
  expression: RegExp;
  /** Whether it takes every character beyond ASCII but separators (true) or none (false); undefined when they differ. */
  beyond: boolean | undefined;
}

function classOf(atom: number, source: string): AtomClass {
  return { atom, expression: new RegExp(`^(?:${source})$`, "u"), beyond: takesBeyond(source) };
}

/** An escape that stands for one ASCII character, or for a class of them. */
const ASCII_ESCAPE = "\\\\(?:[dwnrtfv]|x[0-7][\\da-fA-F]|[^\\w])";
const ESCAPED = new RegExp(`^${ASCII_ESCAPE}$`);
/** A class of such escapes and of ASCII characters and ranges, or its opposite. */
const CLASS = new RegExp(`^\\[(\\^?)(?:${ASCII_ESCAPE}|[ -[^-~])*\\]$`);

/** Of the point all but the two separators, see there. */
const ALL_BEYOND = new Set([".", "\\D", "\\W", "[^]", "[\\s\\S]", "[\\S\\s]", "[\\d\\D]", "[\\w\\W]"]);

function takesBeyond(source: string): boolean | undefined {
  if (ESCAPED.test(source)) return false;
  if (ALL_BEYOND.has(source)) return true;
  const sign = CLASS.exec(source)?.[1];
  return sign === undefined ? undefined : sign === "^";
}

/** The code point of an atom that is one character, written as it is. */
function literalOf(source: string): number | undefined {
  const code = source.codePointAt(0) ?? 0;
  const single = source.length === (code > 0xffff ? 2 : 1);
  return single && source !== "." ? code : undefined;
}
