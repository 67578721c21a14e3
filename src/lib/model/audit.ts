import { z } from "zod";
import { instantSchema, nextCursorSchema, pageQueryShape } from "./values.ts";
import { writtenWholeOr } from "./written-number.ts";

/**
 * The audit: what was done, by whom, to what, and when. Entries are written in the transaction of the change that they are
 * about, and later sealed into blocks, each of which carries the hash of the one before it (audit-chain.ts).
 */

/** Everything that is recorded, each a subject and what became of it. */
export const AUDIT_ACTIONS = [
  "agent.registered",
  "agent.changed",
  "agent.status_changed",
  "agent.deregistered",
  "agent.deleted",
  "task.created",
  "task.assigned",
  "task.started",
  "task.progress",
  "task.requeued",
  "task.suspended",
  "task.asked",
  "task.answered",
  "task.question_timed_out",
  "task.cancel_requested",
  "task.completed",
  "task.failed",
  "task.cancelled",
  "task.reopened",
  "task.unblocked",
  "task.usage_reported",
  "workflow.created",
  "workflow.cancelled",
  "workflow.retried",
  "schedule.put",
  "schedule.deleted",
  "schedule.triggered",
  "schedule.disabled",
  "dead_letters.redriven",
  "dead_letters.purged",
  "messages.purged",
  "message_type.put",
  "message_type.deleted",
  // Only with AGENT_AUDIT_MESSAGES=on; otherwise the message's own row is the record.
  "message.sent",
  "message.received",
  "message.settled",
  "message.withdrawn",
  "credential.issued",
  "credential.used_enrolment",
  "credential.renewed",
  "credential.revoked",
  "channel.created",
  "channel.deleted",
  "channel.member_added",
  "channel.member_removed",
  "channel.grant_changed",
  "encryption.rotated",
  "request.refused",
  "maintenance.ran",
] as const;
export const auditActionSchema = z.enum(AUDIT_ACTIONS);
export type AuditAction = z.infer<typeof auditActionSchema>;

/** What an entry may be about. */
export const AUDIT_SUBJECT_KINDS = [
  "agent",
  "task",
  "workflow",
  "schedule",
  "message",
  "message_type",
  "credential",
  "channel",
  "encryption_key",
  "request",
  "store",
] as const;
export const auditSubjectKindSchema = z.enum(AUDIT_SUBJECT_KINDS);
export type AuditSubjectKind = z.infer<typeof auditSubjectKindSchema>;

export const AUDIT_SUBJECT_MAX_CHARACTERS = 160;
export const AUDIT_DETAIL_MAX_CHARACTERS = 2_000;
/** Entries in one block at most. */
export const AUDIT_BLOCK_MAX_ENTRIES = 1_000;

/**
 * What an entry says beside its subject: ids, names of states, numbers, flags. Never contents: no payload, reason, note, error
 * or metadata, no token and no hash of one.
 */
export const auditDetailSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
export type AuditDetail = Readonly<z.infer<typeof auditDetailSchema>>;

/** The agent that acted, `system`, or `*` for a caller without a name. */
const actorSchema = z.string().min(1).max(128);
const subjectIdSchema = z.string().min(1).max(AUDIT_SUBJECT_MAX_CHARACTERS);

/** What somebody adds to the audit; the store adds number and time. */
export interface NewAuditEntry {
  /** Left out: on whose behalf the call runs, `system` outside of any. */
  actor?: string | undefined;
  action: AuditAction;
  subjectKind: AuditSubjectKind;
  subjectId: string;
  detail?: AuditDetail | undefined;
}

/** One entry. */
export const auditEntrySchema = z.object({
  /** Grows with time; entries that were written at the same moment may be numbered in another order than they ended in. */
  entryNo: z.int(),
  at: instantSchema,
  actor: actorSchema,
  // Not the closed set: a newer version may have written it, and what is there is shown and verified.
  action: z.string(),
  subjectKind: z.string(),
  subjectId: subjectIdSchema,
  detail: auditDetailSchema,
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** `GET /audit` */
export const listAuditQuerySchema = z.strictObject({
  ...pageQueryShape,
  actor: actorSchema.optional(),
  action: auditActionSchema.optional(),
  subjectKind: auditSubjectKindSchema.optional(),
  subjectId: subjectIdSchema.optional(),
  /** Entries at or after this time. */
  from: instantSchema.optional(),
  /** Entries before this time. */
  to: instantSchema.optional(),
});
export type ListAuditQuery = z.output<typeof listAuditQuerySchema>;
export const listAuditReplySchema = z.object({ entries: z.array(auditEntrySchema), nextCursor: nextCursorSchema });

/** SHA-256 as 64 hexadecimal digits, as sha256sum prints it. */
export const auditHashSchema = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits");

/** A sealed block. Its hash covers all of this but `droppedAt`, and its entries. */
export const auditBlockSchema = z.object({
  /** 1, 2, 3, … without a gap. */
  blockNo: z.int(),
  firstEntryNo: z.int(),
  lastEntryNo: z.int(),
  entryCount: z.int(),
  /** The time of its newest entry. */
  newestAt: instantSchema,
  sealedAt: instantSchema,
  /** Every entry up to this number is in this block or an earlier one. */
  floorNo: z.int(),
  /** The hash of the block before; 64 zeros in the first. */
  previousHash: auditHashSchema,
  hash: auditHashSchema,
  /** When retention took its entries; the block stays, so that the chain does. */
  droppedAt: instantSchema.optional(),
});
export type AuditBlock = z.infer<typeof auditBlockSchema>;

/** A place in a block. */
export const auditMemberSchema = z.object({
  entryNo: z.int(),
  /** The hash of the entry as it was sealed. */
  hash: auditHashSchema,
  /** The entry as it is now; absent when it is gone. */
  entry: auditEntrySchema.optional(),
});
export type AuditMember = z.infer<typeof auditMemberSchema>;

/** `GET /audit/blocks/{blockNo}`: all that it takes to verify one block. */
export const auditBlockContentsSchema = z.object({
  block: auditBlockSchema,
  /** In the order of their numbers; none when retention has taken them. */
  members: z.array(auditMemberSchema),
  /** Numbers of entries above the floor of the block before, up to that of this one, that belong to no block: there are none. */
  strays: z.array(z.int()),
});
export type AuditBlockContents = z.infer<typeof auditBlockContentsSchema>;

/** Entries without a block yet are counted up to this. */
export const AUDIT_UNSEALED_MAX = 10_000;

/** What no block holds yet, so that nothing proves it. */
export const unsealedAuditSchema = z.object({
  /** At most AUDIT_UNSEALED_MAX. */
  count: z.int().min(0),
  /** The time of the entry with the lowest number among them. */
  oldestAt: instantSchema.optional(),
});
export type UnsealedAudit = z.infer<typeof unsealedAuditSchema>;

/** `GET /audit/digest`: what to keep elsewhere, so that not even whole blocks can be replaced unnoticed. */
export const auditDigestSchema = z.object({
  /** The newest block; 0 while there is none. */
  blockNo: z.int().min(0),
  lastEntryNo: z.int(),
  hash: auditHashSchema,
  sealedAt: instantSchema.optional(),
});
export type AuditDigest = z.infer<typeof auditDigestSchema>;
/** The reply of `GET /audit/digest`: the digest, and what a verifier needs in addition to it. */
export const auditDigestReplySchema = auditDigestSchema.extend({
  /** The store's time, now. */
  at: instantSchema,
  /** AGENT_AUDIT_RETENTION_DAYS of the process that answers: no entry that is younger may be gone. */
  retentionDays: z.int(),
  unsealed: unsealedAuditSchema,
});
export type AuditDigestReply = z.infer<typeof auditDigestReplySchema>;

/** `GET /audit/blocks`, oldest first */
export const listAuditBlocksQuerySchema = z.strictObject({
  ...pageQueryShape,
  /** Blocks behind this number. */
  after: writtenWholeOr(0, 0),
});
export type ListAuditBlocksQuery = z.output<typeof listAuditBlocksQuerySchema>;
export const listAuditBlocksReplySchema = z.object({ blocks: z.array(auditBlockSchema), nextCursor: nextCursorSchema });
