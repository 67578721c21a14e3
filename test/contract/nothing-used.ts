import type { UsageSums } from "../../src/lib/model/usage.ts";

/** The usage of a system whose tasks have reported none. */
export const NOTHING_USED: UsageSums = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheWriteInputTokens: 0,
  reasoningOutputTokens: 0,
  costMicros: 0,
};
