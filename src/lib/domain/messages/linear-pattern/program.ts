import type { PatternNode } from "./parse-pattern.ts";
import type { Allowance } from "./pattern-problem.ts";

/** What a state waits for. */
export const CHARACTER = 0;
export const SPLIT = 1;
export const ASSERT = 2;
export const ACCEPT = 3;

/**
 * A nondeterministic automaton by Thompson's construction (https://swtch.com/~rsc/regexp/regexp1.html). State 0 accepts. The operand of
 * a character is its atom, of an assertion its bit (negative when it must not hold), of a split the second way on.
 */
export class Program {
  readonly kinds: Uint8Array;
  readonly operands: Int32Array;
  readonly next: Int32Array;
  readonly start: number;
  /** Whether it reads a text from its end. */
  readonly reversed: boolean;
  /** Whether anything but characters matters. */
  readonly asserts: boolean;
  readonly #kinds: number[] = [ACCEPT];
  readonly #operands: number[] = [0];
  readonly #next: number[] = [0];
  readonly #allowance: Allowance;

  /** @param allowance counts the states */
  constructor(root: PatternNode, reversed: boolean, allowance: Allowance) {
    this.reversed = reversed;
    this.#allowance = allowance;
    this.start = this.#emit(root, 0);
    this.kinds = Uint8Array.from(this.#kinds);
    this.operands = Int32Array.from(this.#operands);
    this.next = Int32Array.from(this.#next);
    this.asserts = this.kinds.includes(ASSERT);
    for (const list of [this.#kinds, this.#operands, this.#next]) list.length = 0;
  }

  #add(kind: number, operand: number, next: number): number {
    this.#allowance.spend(1);
    this.#operands.push(operand);
    this.#next.push(next);
    return this.#kinds.push(kind) - 1;
  }

  /** @returns the state that `node` begins with, and that goes on at `next` */
  #emit(node: PatternNode, next: number): number {
    switch (node.kind) {
      case "character":
        return this.#add(CHARACTER, node.atom, next);
      case "assertion":
        return this.#add(ASSERT, node.negated ? -node.bit : node.bit, next);
      case "sequence": {
        // From the part that comes last to the one that comes first.
        const parts = this.reversed ? node.parts : node.parts.toReversed();
        return parts.reduce((entry, part) => this.#emit(part, entry), next);
      }
      case "choice":
        return node.parts
          .map((part) => this.#emit(part, next))
          .reduce((first, second) => this.#add(SPLIT, second, first));
      case "repeat":
        return this.#repeat(node.part, node.min, node.max, next);
    }
  }

  #repeat(part: PatternNode, min: number, max: number, next: number): number {
    let entry = next;
    let copies = min;
    if (max === Infinity) {
      const loop = this.#add(SPLIT, next, next);
      const body = this.#emit(part, loop);
      this.#next[loop] = body;
      entry = min > 0 ? body : loop;
      copies = Math.max(0, min - 1);
    } else {
      for (let count = min; count < max; count += 1) entry = this.#add(SPLIT, next, this.#emit(part, entry));
    }
    for (let count = 0; count < copies; count += 1) {
      this.#allowance.spend(1);
      entry = this.#emit(part, entry);
    }
    return entry;
  }
}
