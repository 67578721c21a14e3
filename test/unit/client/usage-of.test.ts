import { describe, expect, it } from "@jest/globals";
import { usageOf } from "../../../src/client/usage-of.ts";
import { modelUsageSchema } from "../../../src/lib/model/usage.ts";

/** Replies as the providers document them; see usage-of.ts for the pages. */

const CHAT = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-5-mini-2025-08-07",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: {
    prompt_tokens: 2_006,
    completion_tokens: 300,
    total_tokens: 2_306,
    prompt_tokens_details: { cached_tokens: 1_920, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 256, audio_tokens: 0, accepted_prediction_tokens: 0 },
  },
};

const RESPONSE = {
  id: "resp_1",
  object: "response",
  status: "completed",
  model: "gpt-4.1-2025-04-14",
  output: [{ id: "msg_1", type: "message", role: "assistant", content: [] }],
  usage: {
    input_tokens: 12_033,
    input_tokens_details: { cached_tokens: 11_904 },
    output_tokens: 44,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 12_077,
  },
};

const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content: [{ type: "text", text: "Hello" }],
  usage: { input_tokens: 50, cache_creation_input_tokens: 200, cache_read_input_tokens: 1_000, output_tokens: 75 },
};

describe("usageOf", () => {
  it("reads Chat Completions, whose prompt has the cached tokens in it", () => {
    expect(usageOf(CHAT)).toEqual({
      provider: "openai",
      model: "gpt-5-mini-2025-08-07",
      inputTokens: 2_006,
      outputTokens: 300,
      cacheReadInputTokens: 1_920,
      reasoningOutputTokens: 256,
    });
  });

  it("reads Responses, whose input has the cached tokens in it", () => {
    expect(usageOf(RESPONSE)).toEqual({
      provider: "openai",
      model: "gpt-4.1-2025-04-14",
      inputTokens: 12_033,
      outputTokens: 44,
      cacheReadInputTokens: 11_904,
    });
  });

  it("reads Messages of Anthropic, and adds what a cache had and got to the input", () => {
    expect(usageOf(MESSAGE)).toEqual({
      provider: "anthropic",
      model: "claude-sonnet-4-5-20250929",
      inputTokens: 1_250,
      outputTokens: 75,
      cacheReadInputTokens: 1_000,
      cacheWriteInputTokens: 200,
    });
  });

  it("reads the last chunk of a stream of Chat Completions", () => {
    const chunk = (usage: unknown) => ({ object: "chat.completion.chunk", model: "gpt-5", choices: [], usage });
    expect(usageOf(chunk(CHAT.usage))).toMatchObject({ model: "gpt-5", inputTokens: 2_006 });
    expect(usageOf(chunk(null))).toBeUndefined();
    expect(usageOf([chunk(null), chunk(undefined), chunk(CHAT.usage)])).toMatchObject({ inputTokens: 2_006 });
  });

  it("reads the event that ends a stream of Responses", () => {
    const created = { type: "response.created", response: { ...RESPONSE, status: "in_progress", usage: null } };
    const completed = { type: "response.completed", response: RESPONSE };
    expect(usageOf(completed)).toEqual(usageOf(RESPONSE));
    expect(usageOf(created)).toBeUndefined();
    expect(usageOf([created, { type: "response.output_text.delta", delta: "Hel" }, completed])).toEqual(
      usageOf(RESPONSE),
    );
  });

  it("reads both events of a stream of Messages: the second has sums", () => {
    const start = { type: "message_start", message: { ...MESSAGE, usage: { ...MESSAGE.usage, output_tokens: 1 } } };
    const delta = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 75 } };
    const block = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } };
    expect(usageOf([start, block, delta, { type: "message_stop" }])).toEqual(usageOf(MESSAGE));
    const whole = { ...delta, usage: { ...MESSAGE.usage, cache_read_input_tokens: null } };
    expect(usageOf([start, whole])).toEqual(usageOf(MESSAGE));
  });

  it("takes what a reply does not say", () => {
    expect(usageOf(CHAT, { provider: "groq", model: "llama", costMicros: 12.4 })).toMatchObject({
      provider: "groq",
      model: "llama",
      costMicros: 12,
    });
  });

  it("says undefined of what tells no usage", () => {
    for (const reply of [
      undefined,
      null,
      "text",
      5,
      {},
      [],
      { usage: null },
      { usage: [] },
      [{}],
      { ...CHAT, usage: undefined },
    ]) {
      expect(usageOf(reply)).toBeUndefined();
    }
  });

  it("gives what the switchboard takes, whatever a reply says", () => {
    const odd = [
      { ...CHAT, model: "my model (v2) é" },
      { ...CHAT, model: "…" },
      { ...CHAT, model: 7 },
      { ...CHAT, model: "m".repeat(500) },
      { ...CHAT, usage: { prompt_tokens: -5, completion_tokens: Number.NaN, prompt_tokens_details: "none" } },
      { ...CHAT, usage: { prompt_tokens: 1e300, completion_tokens: 1.5 } },
      { ...MESSAGE, usage: { input_tokens: 9e14, cache_read_input_tokens: 9e14, output_tokens: "many" } },
    ];
    for (const reply of odd) expect(() => modelUsageSchema.parse(usageOf(reply))).not.toThrow();
    expect(usageOf(odd[0])).toMatchObject({ model: "my_model__v2___" });
    expect(usageOf(odd[1])).not.toHaveProperty("model");
  });
});
