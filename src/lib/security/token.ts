import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * The text of agent tokens and enrolment keys: `agt_<credentialId>_<secret>_<checksum>`, `enr_…` likewise. The id finds the
 * row in one seek; the secret is 256 random bits in base64url; the checksum, CRC-32 of what stands before it, tells a mistyped
 * or cut-off one, and a random one, from a real one without asking the store. What is kept is the SHA-256 of the secret: of
 * 256 random bits nobody finds it by trying, so no slower hash is needed.
 */

/** What a text is for, by how it begins. */
const PREFIXES = { token: "agt", enrolment: "enr" } as const;
export type SecretKind = keyof typeof PREFIXES;

const SECRET_BYTES = 32;
const FORM =
  /^(agt|enr)_([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})$/;

/** A token or key that was just made. */
export interface NewSecret {
  /** What its owner gets, and nobody else ever sees. */
  text: string;
  /** What is kept of it. */
  secretHash: string;
}

/** A text that has the form of a token or key: whether it is one, its hash decides. */
export interface ParsedSecret {
  kind: SecretKind;
  credentialId: string;
  secretHash: string;
}

/** CRC-32 (the one of zip and PNG) as eight hexadecimal digits. */
function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

function hashOf(secret: string): string {
  return hash("sha256", secret, "base64url");
}

/**
 * Makes the text of a credential.
 *
 * @example
 * const { text, secretHash } = newSecret("token", newId(store.now()));
 */
export function newSecret(kind: SecretKind, credentialId: string): NewSecret {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  const body = `${PREFIXES[kind]}_${credentialId}_${secret}`;
  return { text: `${body}_${checksumOf(body)}`, secretHash: hashOf(secret) };
}

/** Reads a text; undefined for whatever is not exactly of the form, its checksum included. */
export function parseSecret(text: string): ParsedSecret | undefined {
  const [, prefix, credentialId, secret, checksum] = FORM.exec(text) ?? [];
  if (credentialId === undefined || secret === undefined || checksum === undefined) return undefined;
  if (checksumOf(text.slice(0, -1 - checksum.length)) !== checksum) return undefined;
  return { kind: prefix === PREFIXES.token ? "token" : "enrolment", credentialId, secretHash: hashOf(secret) };
}

/** Compares two hashes in a time that does not tell where they differ. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
