/** The numbers of a usage, in their order. Apart from the schemas, which the client does not carry. */
export const USAGE_COUNTS = [
  "inputTokens",
  "outputTokens",
  "cacheReadInputTokens",
  "cacheWriteInputTokens",
  "reasoningOutputTokens",
  "costMicros",
] as const;
export type UsageCount = (typeof USAGE_COUNTS)[number];
