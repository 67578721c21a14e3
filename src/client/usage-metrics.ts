import { type Counter, metrics } from "@opentelemetry/api";
import type { ModelUsage } from "../lib/model/usage.ts";

/**
 * What a handler adds, as counters of OpenTelemetry in the agent's process: it does nothing where no SDK is registered. Names and
 * attributes are those of the conventions (docs/gen-ai/gen-ai-token-metrics.md of
 * https://github.com/open-telemetry/semantic-conventions-genai, version 0.1.0).
 */

const METER = "agent-communication/client";

const NAMES = {
  inputTokens: "gen_ai.client.inference.usage.input_tokens",
  outputTokens: "gen_ai.client.inference.usage.output_tokens",
} as const;

function counterOf(name: string): Counter {
  // Made anew each time, since an SDK may be registered late; it gives the same counter for the same name.
  return metrics.getMeter(METER).createCounter(name, { unit: "{token}" });
}

/** Counts tokens of one provider and model. Never throws, even if an SDK does. */
export function countTokens(
  { provider, model }: Pick<ModelUsage, "provider" | "model">,
  added: Readonly<Record<keyof typeof NAMES, number>>,
): void {
  const attributes = {
    "gen_ai.operation.name": "chat",
    ...(provider === undefined ? {} : { "gen_ai.provider.name": provider }),
    ...(model === undefined ? {} : { "gen_ai.request.model": model }),
  };
  try {
    if (added.inputTokens > 0) counterOf(NAMES.inputTokens).add(added.inputTokens, attributes);
    if (added.outputTokens > 0) counterOf(NAMES.outputTokens).add(added.outputTokens, attributes);
  } catch {
    // An SDK or exporter of the user's that throws must not fail the work.
  }
}
