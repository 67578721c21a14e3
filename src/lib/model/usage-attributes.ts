import type { ModelUsage } from "./usage.ts";
import { USAGE_COUNTS } from "./usage-counts.ts";

/**
 * Usage as attributes of a span, by the names of OpenTelemetry's conventions
 * (https://github.com/open-telemetry/semantic-conventions-genai, version 0.1.0). There is none for costs.
 */

const NAMES = {
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadInputTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteInputTokens: "gen_ai.usage.cache_write.input_tokens",
  reasoningOutputTokens: "gen_ai.usage.reasoning.output_tokens",
  costMicros: "agent_communication.usage.cost_micros",
} as const satisfies Partial<Record<keyof ModelUsage, string>>;

/**
 * The sums of all models of a report; of one model its names as well.
 *
 * @example
 * usageAttributes([{ provider: "openai", model: "gpt-5", inputTokens: 9, outputTokens: 1 }]);
 * // { "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 9, … }
 */
export function usageAttributes(usage: readonly ModelUsage[] = []): Record<string, string | number> {
  const attributes: Record<string, string | number> = {};
  const [only] = usage;
  if (only === undefined) return attributes;
  if (usage.length === 1) {
    if (only.provider !== undefined) attributes["gen_ai.provider.name"] = only.provider;
    if (only.model !== undefined) attributes["gen_ai.request.model"] = only.model;
  }
  for (const count of USAGE_COUNTS) {
    const numbers = usage.flatMap((one) => one[count] ?? []);
    if (numbers.length > 0) attributes[NAMES[count]] = numbers.reduce((sum, number) => sum + number, 0);
  }
  return attributes;
}
