import { z } from "zod";
import { USAGE_ENTRIES_MAX, USAGE_MAX } from "./limits.ts";
import type { UsageCount } from "./usage-counts.ts";
import {
  attemptSchema,
  capabilitySchema,
  idSchema,
  instantSchema,
  nextCursorSchema,
  pageQueryShape,
} from "./values.ts";

/**
 * The vocabulary of usage: what attempts of tasks have used of models, and what that costs, as their agents report it. The fields are
 * those of the conventions of OpenTelemetry (https://github.com/open-telemetry/semantic-conventions-genai): `inputTokens` is
 * `gen_ai.usage.input_tokens`.
 */

const countSchema = z.int().min(0).max(USAGE_MAX);

/** A provider, such as `openai`, `anthropic` or `aws.bedrock`, or the name of a model: the characters of a capability. */
export const modelNameSchema = capabilitySchema;

/** What an attempt has used of one model since it began. */
export const modelUsageSchema = z.strictObject({
  provider: modelNameSchema.optional(),
  model: modelNameSchema.optional(),
  /** All tokens of the prompts, those that were read from a cache or written to it included. */
  inputTokens: countSchema,
  /** All tokens of the answers, those of the reasoning included. */
  outputTokens: countSchema,
  /** Of `inputTokens`, those that a cache of the provider had. */
  cacheReadInputTokens: countSchema.optional(),
  /** Of `inputTokens`, those that were put into a cache of the provider. */
  cacheWriteInputTokens: countSchema.optional(),
  /** Of `outputTokens`, those of the reasoning. */
  reasoningOutputTokens: countSchema.optional(),
  /** In millionths of a US dollar. */
  costMicros: countSchema.optional(),
});
export type ModelUsage = z.output<typeof modelUsageSchema>;

/**
 * What an attempt has used so far, by provider and model. The numbers are totals of the attempt, so that a report may be repeated or
 * come late: a smaller number than the one before counts as the one before. What a report leaves out stays as it was.
 */
export const usageSchema = z
  .array(modelUsageSchema)
  .max(USAGE_ENTRIES_MAX)
  .superRefine((usage, context) => {
    const seen = new Set<string>();
    for (const [place, { provider, model }] of usage.entries()) {
      const pair = JSON.stringify([provider, model]);
      if (seen.has(pair)) {
        context.addIssue({ code: "custom", path: [place], message: "names the same provider and model again" });
      }
      seen.add(pair);
    }
  });
export type Usage = z.output<typeof usageSchema>;

/** `POST /tasks/{taskId}/usage` */
export const reportUsageSchema = z.strictObject({ agentId: idSchema, attempt: attemptSchema, usage: usageSchema });
export type ReportUsage = z.output<typeof reportUsageSchema>;

/** Sums of what was reported; 0 where nothing was. Sums of many attempts may be larger than a report may be. */
export const usageSumsSchema = z.object({
  inputTokens: z.number(),
  outputTokens: z.number(),
  cacheReadInputTokens: z.number(),
  cacheWriteInputTokens: z.number(),
  reasoningOutputTokens: z.number(),
  costMicros: z.number(),
} satisfies Record<UsageCount, z.ZodNumber>);
export type UsageSums = z.output<typeof usageSumsSchema>;

/** The sums of one pair of provider and model; either is absent where the report did not name it. */
export const pairUsageSchema = usageSumsSchema.extend({
  provider: modelNameSchema.optional(),
  model: modelNameSchema.optional(),
});
export type PairUsage = z.output<typeof pairUsageSchema>;

/** The attempt's totals after the report. */
export const reportUsageReplySchema = z.object({
  taskId: idSchema,
  attempt: attemptSchema,
  usage: z.array(pairUsageSchema),
});
export type ReportUsageReply = z.output<typeof reportUsageReplySchema>;

/** What `GET /usage` can tell apart. */
export const USAGE_GROUPS = ["hour", "day", "agent", "taskType", "supervisor", "provider", "model"] as const;
export const usageGroupSchema = z.enum(USAGE_GROUPS);
export type UsageGroup = z.output<typeof usageGroupSchema>;

const GROUPS_RULE = `must be names of ${USAGE_GROUPS.join(", ")}, each once, separated by commas`;

function isGroups(text: string): boolean {
  const names = text.split(",");
  return names.every((name) => usageGroupSchema.safeParse(name).success) && new Set(names).size === names.length;
}

/** `GET /usage` */
export const getUsageQuerySchema = z.strictObject({
  ...pageQueryShape,
  /** From the beginning of its hour on; left out: 30 days before `to`. Hours are kept for 400 days. */
  from: instantSchema.optional(),
  /** Before this time, its hour included when it lies within one; left out: now. */
  to: instantSchema.optional(),
  /** What the sums tell apart, joined by commas; left out: one sum of all. */
  by: z.string().refine(isGroups, GROUPS_RULE).optional(),
  /** Only of the tasks that this supervisor assigned. */
  supervisor: idSchema.optional(),
  /** Only of attempts of this agent. */
  agentId: idSchema.optional(),
  /** Only of tasks of this type. */
  taskType: idSchema.optional(),
});
export type GetUsageQuery = z.output<typeof getUsageQuerySchema>;

/** The groups that a query names. */
export function groupsOf(by: string | undefined): UsageGroup[] {
  return by === undefined ? [] : by.split(",").map((name) => usageGroupSchema.parse(name));
}

/** One line of `GET /usage`: what `by` names, and the sums. `hour` and `day` are the beginning of each, in UTC. */
export const usageLineSchema = pairUsageSchema.extend({
  hour: instantSchema.optional(),
  day: instantSchema.optional(),
  agentId: idSchema.optional(),
  taskType: idSchema.optional(),
  supervisor: idSchema.optional(),
});
export type UsageLine = z.output<typeof usageLineSchema>;

export const getUsageReplySchema = z.object({
  /** The hours that were looked at: from the first moment of the first to that behind the last. */
  from: instantSchema,
  to: instantSchema,
  usage: z.array(usageLineSchema),
  nextCursor: nextCursorSchema,
});
export type GetUsageReply = z.output<typeof getUsageReplySchema>;

/** Days that `GET /usage` looks back when nothing else is asked for. */
export const USAGE_DEFAULT_DAYS = 30;
