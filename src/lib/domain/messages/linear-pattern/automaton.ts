import type { Alphabet } from "./alphabet.ts";
import { END_BIT, START_BIT } from "./parse-pattern.ts";
import { ACCEPT, ASSERT, CHARACTER, type Program, SPLIT } from "./program.ts";
import { simulate } from "./simulation.ts";
import type { Walk } from "./walk.ts";

/** The states that a program can be in at one place of a text, before it has looked at what holds there. */
interface Row {
  states: readonly number[];
  /** The assertions that matter here, unless the text begins here. */
  relevant: number;
  /** By the assertions that hold. */
  ways: (Ways | undefined)[];
}

/** Where the program can be after looking. */
interface Ways {
  /** The states that wait for a character. */
  waiting: readonly number[];
  accepts: boolean;
  /** By symbol. */
  next: (Row | undefined)[];
}

/** What making a row costs beside its states, in steps of some 50 ns. */
const ROW_STEPS = 16;
/** The steps of the rows that all automata hold together, some 25 bytes each; then all rows are forgotten. */
const HELD_MAX = 400_000;

let held = 0;
const holders = new Set<Automaton>();

/**
 * A program made deterministic as texts need it: a text costs one look-up for each of its characters, and work for what no text before
 * has needed. A match may begin anywhere, so the start is among the states of every row.
 */
export class Automaton {
  readonly #program: Program;
  readonly #alphabet: Alphabet;
  /** The end of a text that is read first. */
  readonly #first: number;
  readonly #rows = new Map<string, Row>();
  #start: Row | undefined;
  readonly #marks: Uint32Array;
  #mark = 0;

  /** @param program of which `reversed` reads texts from their end */
  constructor(program: Program, alphabet: Alphabet) {
    this.#program = program;
    this.#alphabet = alphabet;
    this.#first = program.reversed ? END_BIT : START_BIT;
    this.#marks = new Uint32Array(program.kinds.length);
  }

  /** Walks over a text. @returns whether the program has accepted */
  walk(walk: Walk): boolean {
    const { symbols, masks, bit } = walk;
    const { length } = symbols;
    const reversed = this.#program.reversed;
    this.#start ??= this.#rowOf([this.#program.start], walk);
    let row = this.#start;
    // At the beginning everything counts.
    let relevant = 0xffff;
    let accepted = false;
    for (let left = length; ; left -= 1) {
      const place = reversed ? left : length - left;
      const holds = masks[place] ?? 0;
      const ways = row.ways[holds & relevant] ?? this.#waysOf(row, holds & relevant);
      if (ways.accepts) {
        if (bit === 0) return true;
        masks[place] = holds | bit;
        accepted = true;
      }
      if (left === 0) return accepted;
      const symbol = symbols[reversed ? place - 1 : place] ?? 0;
      const next = ways.next[symbol];
      if (next === undefined && walk.rowSteps <= 0) {
        // Ever new rows: to make and keep them is dearer than to do without.
        const states = this.#statesAfter(ways, symbol);
        return simulate(this.#program, this.#alphabet, { ...walk, states, left: left - 1 }) || accepted;
      }
      row = next ?? this.#after(ways, symbol, walk);
      relevant = row.relevant;
    }
  }

  /** The row behind a character. */
  #after(ways: Ways, symbol: number, walk: Walk): Row {
    const row = this.#rowOf(this.#statesAfter(ways, symbol), walk);
    ways.next[symbol] = row;
    return row;
  }

  #statesAfter({ waiting }: Ways, symbol: number): number[] {
    const { start, next, operands } = this.#program;
    const states = [start];
    this.#mark += 1;
    this.#marks[start] = this.#mark;
    for (const state of waiting) {
      const target = next[state] ?? 0;
      if (this.#marks[target] === this.#mark || !this.#alphabet.takes(operands[state] ?? 0, symbol)) continue;
      this.#marks[target] = this.#mark;
      states.push(target);
    }
    return states;
  }

  #rowOf(states: number[], walk: Walk): Row {
    states.sort((one, other) => one - other);
    const key = states.join();
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const steps = states.length + ROW_STEPS;
    walk.rowSteps -= steps;
    const row: Row = { states, relevant: this.#program.asserts ? this.#relevant(states) : 0, ways: [] };
    held += steps;
    if (held > HELD_MAX) forgetRows();
    holders.add(this);
    this.#rows.set(key, row);
    return row;
  }

  /** A walk that is on its way goes on with the rows that it holds. */
  forget(): void {
    this.#rows.clear();
    this.#start = undefined;
  }

  #waysOf(row: Row, mask: number): Ways {
    const waiting: number[] = [];
    let accepts = false;
    this.#follow(row.states, (state, kind, operand) => {
      if (kind === CHARACTER) waiting.push(state);
      else if (kind === ACCEPT) accepts = true;
      return kind !== ASSERT || (operand > 0 ? (mask & operand) !== 0 : (mask & -operand) === 0);
    });
    const ways: Ways = { waiting, accepts, next: [] };
    row.ways[mask] = ways;
    return ways;
  }

  /** The assertions that are looked at from `states`, behind the beginning of a text. */
  #relevant(states: readonly number[]): number {
    let relevant = 0;
    this.#follow(states, (_state, kind, operand) => {
      if (kind !== ASSERT) return true;
      const bit = Math.abs(operand);
      if (bit === this.#first) return false;
      relevant |= bit;
      return true;
    });
    return relevant;
  }

  /** Visits what is reached without a character; `passes` says of each state whether the way leads through it. */
  #follow(states: readonly number[], passes: (state: number, kind: number, operand: number) => boolean): void {
    const { kinds, operands, next } = this.#program;
    this.#mark += 1;
    const waiting = [...states];
    for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
      if (this.#marks[state] === this.#mark) continue;
      this.#marks[state] = this.#mark;
      const kind = kinds[state] ?? ACCEPT;
      const operand = operands[state] ?? 0;
      if (!passes(state, kind, operand) || kind === CHARACTER || kind === ACCEPT) continue;
      waiting.push(next[state] ?? 0);
      if (kind === SPLIT) waiting.push(operand);
    }
  }
}

function forgetRows(): void {
  for (const holder of holders) holder.forget();
  holders.clear();
  held = 0;
}
