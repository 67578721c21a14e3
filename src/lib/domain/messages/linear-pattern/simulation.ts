import type { Alphabet } from "./alphabet.ts";
import { ACCEPT, ASSERT, CHARACTER, type Program, SPLIT } from "./program.ts";
import type { Walk } from "./walk.ts";

/** A walk that goes on from `states`, with `left` symbols before it. */
interface Rest extends Walk {
  states: readonly number[];
  left: number;
}

/**
 * Walks on over a text without making rows: each character costs a visit of every state that the program can be in.
 *
 * @returns whether the program has accepted
 * @throws PatternProblem when that is too much
 */
export function simulate(program: Program, alphabet: Alphabet, rest: Rest): boolean {
  const { symbols, masks, bit, allowance } = rest;
  const { kinds, operands, next, start, reversed } = program;
  const marks = new Uint32Array(kinds.length);
  const stack = new Int32Array(2 * kinds.length + 2);
  const waiting = new Int32Array(kinds.length);
  const taken: (Uint8Array | undefined)[] = [];
  let mark = 0;
  let top = rest.states.length;
  stack.set(rest.states);
  let accepted = false;
  for (let { left } = rest; ; left -= 1) {
    const place = reversed ? left : symbols.length - left;
    const holds = masks[place] ?? 0;
    let visited = 1;
    let count = 0;
    let accepts = false;
    mark += 1;
    while (top > 0) {
      top -= 1;
      const state = stack[top] ?? 0;
      if (marks[state] === mark) continue;
      marks[state] = mark;
      visited += 1;
      const kind = kinds[state];
      const operand = operands[state] ?? 0;
      if (kind === CHARACTER) {
        waiting[count] = state;
        count += 1;
      } else if (kind === ACCEPT) accepts = true;
      else if (kind === SPLIT || (kind === ASSERT && (operand > 0 ? holds & operand : ~holds & -operand) !== 0)) {
        stack[top] = next[state] ?? 0;
        top += 1;
        if (kind === SPLIT) {
          stack[top] = operand;
          top += 1;
        }
      }
    }
    if (accepts) {
      if (bit === 0) return true;
      masks[place] = holds | bit;
      accepted = true;
    }
    if (left === 0) return accepted;
    allowance.spend(visited);
    const symbol = symbols[reversed ? place - 1 : place] ?? 0;
    const takes = taken[symbol] ?? alphabet.taken(symbol);
    taken[symbol] = takes;
    stack[0] = start;
    top = 1;
    for (let index = 0; index < count; index += 1) {
      const state = waiting[index] ?? 0;
      if (takes[operands[state] ?? 0] === 0) continue;
      stack[top] = next[state] ?? 0;
      top += 1;
    }
  }
}
