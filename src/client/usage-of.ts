import { USAGE_MAX } from "../lib/model/limits.ts";
import type { ModelUsage } from "../lib/model/usage.ts";

/** What a call of a model has used, from the reply of its provider. */

/** What a reply does not say. */
export interface UsageDetails {
  /** Default: `openai` or `anthropic`, by the form of the reply; many others answer in the form of OpenAI. */
  provider?: string | undefined;
  /** Default: the model that the reply names. */
  model?: string | undefined;
  /** What the call cost, in millionths of a US dollar; no reply says it. */
  costMicros?: number | undefined;
}

/** How a provider names its numbers. */
type Fields = { readonly [name: string]: unknown };

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** A count as a reply has it; what is none is 0. */
function count(fields: Fields | undefined, name: string): number {
  const value = fields?.[name];
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.min(Math.round(value), USAGE_MAX) : 0;
}

const NOT_OF_A_NAME = /[^A-Za-z0-9._:+#/@-]/g;
const NAME_MAX_CHARACTERS = 128;

/** A name as the switchboard takes it: other characters become `_`. Undefined: there is none. */
function nameOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const name = value.replaceAll(NOT_OF_A_NAME, "_").replace(/^[^A-Za-z0-9]+/, "");
  return name === "" ? undefined : name.slice(0, NAME_MAX_CHARACTERS);
}

/** The numbers, with those that are 0 left out where a report may leave them out. */
function counted(counts: Required<Omit<ModelUsage, "provider" | "model" | "costMicros">>): ModelUsage {
  const { inputTokens, outputTokens, ...parts } = counts;
  const named = Object.entries(parts).filter(([, number]) => number > 0);
  return { inputTokens, outputTokens, ...Object.fromEntries(named) };
}

/** OpenAI: the input has the cached tokens in it, the output the reasoning. The two APIs differ in the names alone. */
const ofOpenAi = (input: string, output: string) => (usage: Fields) =>
  counted({
    inputTokens: count(usage, input),
    outputTokens: count(usage, output),
    cacheReadInputTokens: count(fieldsOf(usage[`${input}_details`]), "cached_tokens"),
    cacheWriteInputTokens: 0,
    reasoningOutputTokens: count(fieldsOf(usage[`${output}_details`]), "reasoning_tokens"),
  });

/** Messages of Anthropic: the input tokens are those alone that no cache had or got, so that the other two are added. */
function ofAnthropic(usage: Fields): ModelUsage {
  const read = count(usage, "cache_read_input_tokens");
  const written = count(usage, "cache_creation_input_tokens");
  return counted({
    inputTokens: Math.min(count(usage, "input_tokens") + read + written, USAGE_MAX),
    outputTokens: count(usage, "output_tokens"),
    cacheReadInputTokens: read,
    cacheWriteInputTokens: written,
    reasoningOutputTokens: 0,
  });
}

/** What a reply says of itself: its usage, its model, and whose form it has. */
interface Found {
  usage: Fields;
  model: unknown;
  form: "chat" | "response" | "anthropic";
}

/** The usage of one reply, or of one event of a stream. */
function find(reply: unknown): Found | undefined {
  const fields = fieldsOf(reply);
  if (fields === undefined) return undefined;
  // Events of a stream: `response.completed` has the response, `message_start` the message.
  const inner = fieldsOf(fields.response) ?? fieldsOf(fields.message) ?? fields;
  const usage = fieldsOf(inner.usage);
  if (usage === undefined) return undefined;
  const { model } = inner;
  if ("prompt_tokens" in usage) return { usage, model, form: "chat" };
  const isAnthropic = ["message", "message_start", "message_delta"].includes(String(fields.type));
  return { usage, model, form: isAnthropic || inner.type === "message" ? "anthropic" : "response" };
}

/** A stream: later events of it have the numbers so far, which take the place of earlier ones. */
function findIn(events: readonly unknown[]): Found | undefined {
  let found: Found | undefined;
  for (const event of events) {
    const next = find(event);
    if (next === undefined) continue;
    const given = Object.entries(next.usage).filter(([, value]) => value !== null && value !== undefined);
    const model = next.model ?? found?.model;
    found = { form: next.form, model, usage: { ...found?.usage, ...Object.fromEntries(given) } };
  }
  return found;
}

const READERS = {
  chat: ofOpenAi("prompt_tokens", "completion_tokens"),
  response: ofOpenAi("input_tokens", "output_tokens"),
  anthropic: ofAnthropic,
} as const;

/**
 * What a call of a model has used, in the form that the switchboard takes. `inputTokens` always has the cached tokens in it:
 *
 * - OpenAI, Responses and Chat Completions: `input_tokens` and `prompt_tokens` include cached ones, `output_tokens` and
 *   `completion_tokens` the reasoning (https://platform.openai.com/docs/api-reference/responses/object,
 *   https://platform.openai.com/docs/guides/prompt-caching).
 * - Anthropic, Messages: `input_tokens` excludes what was read from a cache and what was written to one; here the three are added
 *   (https://docs.anthropic.com/en/api/messages, "Total input tokens in a request is the summation of `input_tokens`,
 *   `cache_creation_input_tokens`, and `cache_read_input_tokens`").
 *
 * Of a stream, give its last event with usage: the last chunk of Chat Completions (with `stream_options: {include_usage: true}`), the
 * event `response.completed` of Responses. Messages of Anthropic tell it in two events: give both, or all events, as a list; the numbers
 * of `message_delta` are sums already.
 *
 * Characters of a model's name that the switchboard does not take become `_`.
 *
 * @param reply the reply, an event of a stream, or a list of such events
 * @returns undefined when it says nothing of usage
 * @example
 * const reply = await openai.responses.create({ model: "gpt-5", input: "…" });
 * context.addUsage(usageOf(reply)); // { provider: "openai", model: "gpt-5-2025-08-07", inputTokens: 12033, … }
 */
export function usageOf(reply: unknown, details: UsageDetails = {}): ModelUsage | undefined {
  const found = Array.isArray(reply) ? findIn(reply) : find(reply);
  if (found === undefined) return undefined;
  const provider = nameOf(details.provider) ?? (found.form === "anthropic" ? "anthropic" : "openai");
  const model = nameOf(details.model) ?? nameOf(found.model);
  const costMicros = count({ cost: details.costMicros }, "cost");
  return {
    provider,
    ...(model === undefined ? {} : { model }),
    ...READERS[found.form](found.usage),
    ...(costMicros === 0 ? {} : { costMicros }),
  };
}
