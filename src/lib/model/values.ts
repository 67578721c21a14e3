import { z } from "zod";
import { exceedsBytes, type JsonValue, jsonProblem } from "./json.ts";
import { jsonTextOf } from "./json-text.ts";
import {
  CHANNEL_NAME_MAX_CHARACTERS,
  DURATION_MAX_SECONDS,
  ID_MAX_CHARACTERS,
  LEASE_MAX_SECONDS,
  NOTE_MAX_BYTES,
  PAGE_DEFAULT,
  PAGE_MAX,
  PAYLOAD_MAX_BYTES,
} from "./limits.ts";
import { writtenWholeOr } from "./written-number.ts";

/** The small vocabulary that every resource's schema is made of. */

const ID_PATTERN = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,${ID_MAX_CHARACTERS - 1}}$`);
const CHANNEL_NAME_PATTERN = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,${CHANNEL_NAME_MAX_CHARACTERS - 1}}$`);
const RECEIVER_PATTERN = new RegExp(
  `^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,${ID_MAX_CHARACTERS - 1}}|#[A-Za-z0-9][A-Za-z0-9._:-]{0,${CHANNEL_NAME_MAX_CHARACTERS - 1}})$`,
);
const CAPABILITY_PATTERN = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._:+#/@-]{0,${ID_MAX_CHARACTERS - 1}}$`);

/** 1–128 of `A-Za-z0-9._:-`, starting with a letter or digit, compared byte for byte. */
export const idSchema = z
  .string()
  .regex(ID_PATTERN, "must be 1–128 characters of A-Z a-z 0-9 . _ : -, and start with a letter or digit");

/** What the ids of tasks and workflows that schedules have created begin with. */
export const SCHEDULED_PREFIX = "schedule:";

/** An id that a caller gives to a new task or workflow: those of schedules are made by the switchboard. */
export const newIdSchema = idSchema.refine(
  (id) => !id.startsWith(SCHEDULED_PREFIX),
  `must not begin with ${SCHEDULED_PREFIX}: such ids are made by schedules`,
);

/** As an id, of at most 100 characters. */
export const channelNameSchema = z
  .string()
  .regex(CHANNEL_NAME_PATTERN, "must be 1–100 characters of A-Z a-z 0-9 . _ : -, and start with a letter or digit");

/** Whom a message is for: an agent's id, or `#` and the name of a channel. No agent can have an id that begins so. */
export const receiverSchema = z
  .string()
  .regex(
    RECEIVER_PATTERN,
    "must be an agent's id, 1–128 characters of A-Z a-z 0-9 . _ : - starting with a letter or digit, or #channel",
  );

/** What a receiver begins with that is a channel. */
export const CHANNEL_SIGIL = "#";

/** The name of the channel that a receiver is; undefined for an agent. */
export function channelOf(receiver: string): string | undefined {
  return receiver.startsWith(CHANNEL_SIGIL) ? receiver.slice(CHANNEL_SIGIL.length) : undefined;
}

/** As an id, and also `+ # / @`: `python@3.12`, `c++`. */
export const capabilitySchema = z
  .string()
  .regex(
    CAPABILITY_PATTERN,
    "must be 1–128 characters of A-Z a-z 0-9 . _ : - + # / @, and start with a letter or digit",
  );

/** Marks a refinement whose failure is 413 PAYLOAD_TOO_LARGE, not 400. */
export const TOO_LARGE = { tooLarge: true } as const;

/** Free text of at most `maxBytes` bytes of UTF-8; well-formed Unicode without NUL, so that both stores keep it as it is. */
export function textSchema(maxBytes: number) {
  return z
    .string()
    .refine((text) => text.isWellFormed() && !text.includes("\u0000"), "must be well-formed Unicode without NUL")
    .refine((text) => !exceedsBytes(text, maxBytes), { error: `must be at most ${maxBytes} bytes`, params: TOO_LARGE });
}

/** An error, a reason or a note. */
export const noteSchema = textSchema(NOTE_MAX_BYTES);

/** Any JSON value whose text is at most `maxBytes` bytes. */
export function jsonSchema(maxBytes: number = PAYLOAD_MAX_BYTES) {
  return z
    .custom<JsonValue>((value) => value !== undefined, "is required")
    .superRefine((value, context) => {
      const problem = jsonProblem(value);
      if (problem !== undefined) context.addIssue({ code: "custom", ...problem });
      else if (jsonTextOf(value).exceeds(maxBytes)) {
        context.addIssue({ code: "custom", message: `must be at most ${maxBytes} bytes of JSON`, params: TOO_LARGE });
      }
    });
}

/** A JSON object whose text is at most `maxBytes` bytes. */
export function jsonObjectSchema(maxBytes: number) {
  return jsonSchema(maxBytes).refine(
    (value): value is { [key: string]: JsonValue } =>
      typeof value === "object" && value !== null && !Array.isArray(value),
    "must be an object",
  );
}

/** ISO 8601 with a zone; kept as milliseconds since the epoch inside. */
export const instantSchema = z.iso.datetime({ offset: true });

/** https://www.w3.org/TR/trace-context/#traceparent-header, as we write it: version 00. */
export const traceparentSchema = z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);

/** Attempts start at 1 (0: never claimed or assigned). */
export const attemptSchema = z.int().min(1).max(2_147_483_647);

export const delaySecondsSchema = z.number().min(0).max(DURATION_MAX_SECONDS);
export const durationSecondsSchema = z.number().positive().max(DURATION_MAX_SECONDS);
export const leaseSecondsSchema = z.number().min(1).max(LEASE_MAX_SECONDS);

export const PRIORITIES = ["low", "normal", "high", "urgent"] as const;
export const prioritySchema = z.enum(PRIORITIES);
export type Priority = z.infer<typeof prioritySchema>;

/**
 * How much earlier than its availability a priority ranks, in milliseconds: low 0, normal 1 min, high 10 min,
 * urgent 60 min. What has waited longer than the difference of two head starts goes first, so nothing starves.
 */
export const HEAD_START_MILLISECONDS: Readonly<Record<Priority, number>> = {
  low: 0,
  normal: 60_000,
  high: 600_000,
  urgent: 3_600_000,
};

/** Query parameters of every list. */
export const pageQueryShape = {
  limit: writtenWholeOr(PAGE_DEFAULT, 1, PAGE_MAX),
  cursor: z.string().max(1_024).optional(),
};

/** `nextCursor` is null at the end of a list. */
export const nextCursorSchema = z.string().nullable();
