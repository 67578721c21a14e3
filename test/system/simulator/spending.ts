import type { ModelUsage, Usage } from "../../../src/lib/model/usage.ts";
import type { Random } from "../../support/random.ts";

const MODELS = [
  { provider: "openai", model: "gpt-5" },
  { provider: "anthropic", model: "sonnet" },
  { model: "own" },
  {},
] as const;

/** What an attempt uses of models while it goes on: totals that only grow. */
export class Spending {
  readonly #random: Random;
  readonly #totals = new Map<number, ModelUsage>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Uses some more. @returns what a call says of it, now and then less than there is, or of long ago; undefined: nothing */
  report(): Usage | undefined {
    const random = this.#random;
    if (random.chance(0.4)) return undefined;
    const before = [...this.#totals.values()];
    this.#use();
    if (random.chance(0.2)) return before;
    const totals = [...this.#totals.values()];
    return random.chance(0.3) ? random.some(totals) : totals;
  }

  #use(): void {
    const random = this.#random;
    const index = random.between(0, MODELS.length - 1);
    const {
      inputTokens,
      outputTokens,
      costMicros = 0,
    } = this.#totals.get(index) ?? { inputTokens: 0, outputTokens: 0 };
    const input = inputTokens + random.between(0, 900);
    this.#totals.set(index, {
      ...MODELS[index],
      inputTokens: input,
      outputTokens: outputTokens + random.between(0, 90),
      ...(random.chance(0.5) ? { cacheReadInputTokens: Math.floor(input / 2), cacheWriteInputTokens: 7 } : {}),
      ...(random.chance(0.5) ? { reasoningOutputTokens: outputTokens } : {}),
      costMicros: costMicros + random.between(0, 1_000_000),
    });
  }
}
