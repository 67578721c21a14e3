import { z } from "zod";
import { type AgentRole, agentIdSchema, agentRoleSchema, maxConcurrentTasksSchema } from "./agent.ts";
import {
  CAPABILITIES_MAX,
  ENROLMENT_USES_MAX,
  ID_MAX_CHARACTERS,
  LABEL_MAX_CHARACTERS,
  PRINCIPAL_AGENTS_MAX,
  SUBJECT_MAX_CHARACTERS,
  TERM_MAX_DAYS,
} from "./limits.ts";
import { PREFIX_MARK } from "./patterns.ts";
import {
  capabilitySchema,
  durationSecondsSchema,
  idSchema,
  instantSchema,
  nextCursorSchema,
  pageQueryShape,
} from "./values.ts";

/** The vocabulary of credentials: what an admin issues, and how it reads. No secret and no hash of one is ever in here. */

/**
 * token: one agent's own · enrolment: registers new agents, each of which gets a token · principal: binds an Entra ID
 * application to agents · certificate: binds a client certificate to an agent.
 */
export const ISSUED_KINDS = ["token", "enrolment", "principal", "certificate"] as const;
export const issuedKindSchema = z.enum(ISSUED_KINDS);
export type IssuedKind = z.infer<typeof issuedKindSchema>;

/** How exact the time of the last use is: it is written at most this often. The first use is always written. */
export const CREDENTIAL_USE_MILLISECONDS = 86_400_000;
/** After so many days without a use a token that came by an enrolment key ends, where the key says nothing else. */
export const DEFAULT_IDLE_DAYS = 90;

/** A UUIDv7 in lower case: a credential is named in logs and lists by it. */
export const credentialIdSchema = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, "must be a UUIDv7 in lower case");

/** One line for people; never a secret. */
function lineSchema(maxCharacters: number) {
  return z
    .string()
    .min(1)
    .max(maxCharacters)
    .refine(
      (text) => text.isWellFormed() && !/\p{Cc}/u.test(text),
      "must be well-formed Unicode without control characters",
    );
}

const labelSchema = lineSchema(LABEL_MAX_CHARACTERS);

/** What the ids of an enrolment key's or a principal's agents begin with. */
const agentIdPrefixSchema = z
  .string()
  .regex(
    new RegExp(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,${ID_MAX_CHARACTERS - 1}}$`),
    "must be the beginning of an agent id: 1–128 characters of A-Z a-z 0-9 . _ : -, starting with a letter or digit",
  );

/** Roles that an enrolment key may give: an admin is made by an admin. */
export const ENROLLED_ROLES = ["supervisor", "worker", "observer"] as const satisfies readonly AgentRole[];
const enrolledRolesSchema = z
  .array(z.enum(ENROLLED_ROLES))
  .min(1)
  .max(ENROLLED_ROLES.length)
  .refine((roles) => new Set(roles).size === roles.length, "must not repeat a role");

/** SHA-256 of the certificate in DER form, in hexadecimal; kept in lower case. */
const thumbprintSchema = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, "must be the SHA-256 thumbprint: 64 hexadecimal digits")
  .toLowerCase();

/** The distinguished name as RFC 4514 has it, compared byte for byte: `CN=worker-1,O=Example`. */
const subjectSchema = lineSchema(SUBJECT_MAX_CHARACTERS);

/** The object id (`oid`) of the service principal in its tenant; kept in lower case. */
export const objectIdSchema = z.guid().toLowerCase();

const daysSchema = z.int().min(1).max(TERM_MAX_DAYS);

/**
 * What may be registered of capabilities: one byte for byte, or with `*` at its end every one that begins so. `python` allows
 * neither `python@3` nor `python3`; `python@*` allows every version.
 */
export const capabilityPatternSchema = z
  .string()
  .refine(
    (text) => capabilitySchema.safeParse(text.endsWith(PREFIX_MARK) ? text.slice(0, -1) : text).success,
    "must be a capability, or its beginning followed by *",
  );

/** What may be registered with a credential. Absent: anything. */
const boundsShape = {
  /** No others may be registered; []: none at all. */
  capabilities: z
    .array(capabilityPatternSchema)
    .max(CAPABILITIES_MAX)
    .refine((patterns) => new Set(patterns).size === patterns.length, "must not repeat a pattern")
    .optional(),
  /** No more may be registered, nor said in a heartbeat. */
  maxConcurrentTasks: maxConcurrentTasksSchema.optional(),
};

/** It ends when it was not used for so many days, at the latest one day later. Absent: never for that reason. */
const idleDaysSchema = daysSchema.optional();

/** True when exactly one of two is given. */
function exactlyOne(one: unknown, other: unknown): boolean {
  return (one === undefined) !== (other === undefined);
}

const issueTokenSchema = z.strictObject({
  kind: z.literal("token"),
  agentId: agentIdSchema,
  label: labelSchema.optional(),
  /** Absent: it does not expire. */
  expiresInSeconds: durationSecondsSchema.optional(),
  idleDays: idleDaysSchema,
  ...boundsShape,
});

const issueEnrolmentSchema = z.strictObject({
  kind: z.literal("enrolment"),
  roles: enrolledRolesSchema,
  agentIdPrefix: agentIdPrefixSchema,
  /** How many agents it may create. */
  maxUses: z.int().min(1).max(ENROLMENT_USES_MAX),
  /** Of the key itself. */
  expiresInSeconds: durationSecondsSchema,
  /** Of each token that it gives. Absent: they do not expire. */
  expiresInDays: daysSchema.optional(),
  /** Of each token that it gives. */
  idleDays: daysSchema.default(DEFAULT_IDLE_DAYS),
  label: labelSchema.optional(),
  ...boundsShape,
});

const bindPrincipalSchema = z
  .strictObject({
    kind: z.literal("principal"),
    objectId: objectIdSchema,
    agentIds: z.array(agentIdSchema).min(1).max(PRINCIPAL_AGENTS_MAX).optional(),
    agentIdPrefix: agentIdPrefixSchema.optional(),
    label: labelSchema.optional(),
    idleDays: idleDaysSchema,
    ...boundsShape,
  })
  .refine(({ agentIds, agentIdPrefix }) => exactlyOne(agentIds, agentIdPrefix), "give agentIds or agentIdPrefix");

const bindCertificateSchema = z
  .strictObject({
    kind: z.literal("certificate"),
    agentId: agentIdSchema,
    thumbprint: thumbprintSchema.optional(),
    subject: subjectSchema.optional(),
    label: labelSchema.optional(),
    idleDays: idleDaysSchema,
    ...boundsShape,
  })
  .refine(({ thumbprint, subject }) => exactlyOne(thumbprint, subject), "give thumbprint or subject");

/** `POST /credentials` */
export const issueCredentialSchema = z.discriminatedUnion("kind", [
  issueTokenSchema,
  issueEnrolmentSchema,
  bindPrincipalSchema,
  bindCertificateSchema,
]);
export type IssueCredentialInput = z.input<typeof issueCredentialSchema>;
export type IssueCredential = z.output<typeof issueCredentialSchema>;

/** What every credential has. Absent times: it does not expire, is not revoked, was never used. */
const commonShape = {
  credentialId: credentialIdSchema,
  label: z.string().optional(),
  createdAt: instantSchema,
  /** Who issued it: an agent, or `system`. */
  createdBy: z.string(),
  expiresAt: instantSchema.optional(),
  revokedAt: instantSchema.optional(),
  /** To the day: later uses within 24 hours are not written. */
  lastUsedAt: instantSchema.optional(),
  /** Days without a use after which it ends; of an enrolment key: after which the tokens that it gives end. */
  idleDays: z.int().optional(),
  /** What may be registered with it: capabilities, or with `*` at the end the beginnings of some. Absent: any. */
  capabilities: z.array(z.string()).optional(),
  /** What may be registered with it at most. Absent: any. */
  maxConcurrentTasks: z.int().optional(),
};

export const credentialSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("token"),
    ...commonShape,
    agentId: idSchema,
    /** The enrolment key under which it came with the registration. */
    enrolledBy: credentialIdSchema.optional(),
    /** The token that it renews. That one ends with the first use of this one. */
    renews: credentialIdSchema.optional(),
  }),
  z.object({
    kind: z.literal("enrolment"),
    ...commonShape,
    roles: z.array(agentRoleSchema),
    agentIdPrefix: z.string(),
    maxUses: z.int(),
    usesLeft: z.int(),
    /** Of each token that it gives. Absent: they do not expire. */
    expiresInDays: z.int().optional(),
  }),
  z.object({
    kind: z.literal("principal"),
    ...commonShape,
    objectId: z.string(),
    agentIds: z.array(idSchema).optional(),
    agentIdPrefix: z.string().optional(),
  }),
  z.object({
    kind: z.literal("certificate"),
    ...commonShape,
    agentId: idSchema,
    thumbprint: z.string().optional(),
    subject: z.string().optional(),
  }),
]);
export type Credential = z.infer<typeof credentialSchema>;

/** The part of a credential that says which agents a principal may act as, or an enrolment key may create. */
export interface AgentScope {
  agentIds?: readonly string[] | undefined;
  agentIdPrefix?: string | undefined;
}

/**
 * Whether an agent is in a scope.
 *
 * @example
 * isInScope({ agentIdPrefix: "blue-" }, "blue-1"); // true
 */
export function isInScope({ agentIds, agentIdPrefix }: AgentScope, agentId: string): boolean {
  if (agentIdPrefix !== undefined) return agentId.startsWith(agentIdPrefix);
  return agentIds?.includes(agentId) ?? false;
}

export const issueCredentialReplySchema = z.object({
  credential: credentialSchema,
  /** The token or enrolment key itself, shown this once: it is not kept. */
  secret: z.string().optional(),
});
export type IssueCredentialReply = z.infer<typeof issueCredentialReplySchema>;

/** `POST /agents/{agentId}/token` */
export const renewTokenReplySchema = z.object({
  credential: credentialSchema,
  /** The new token, shown this once. The one that was renewed is valid until this one is first used. */
  token: z.string(),
});
export type RenewTokenReply = z.infer<typeof renewTokenReplySchema>;

/** `GET /credentials`; `agentId` finds tokens and certificates, which belong to one agent. */
export const listCredentialsQuerySchema = z.strictObject({
  agentId: idSchema.optional(),
  kind: issuedKindSchema.optional(),
  ...pageQueryShape,
});
export type ListCredentialsQuery = z.output<typeof listCredentialsQuerySchema>;
export const listCredentialsReplySchema = z.object({
  credentials: z.array(credentialSchema),
  nextCursor: nextCursorSchema,
});
