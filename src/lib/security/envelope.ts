import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { stringify } from "safe-stable-stringify";
import type { Key } from "./key-ring.ts";

/**
 * One encrypted value as one text. Format, key version, salt, nonce, ciphertext and tag, the last four in base64url:
 * `e1.<version>.<salt>.<nonce>.<ciphertext>.<tag>`; docs/encryption.md has it byte by byte. Each value has a key of its own, so
 * neither nonces nor the amount of data under one key are anybody's worry.
 *
 * AES-256-GCM: NIST SP 800-38D; HKDF: RFC 5869
 */

const FORMAT = "e1";
const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** What the derived keys are for: no key of one purpose can be that of another. */
const VALUE_INFO = "agent-communication e1 value";
const HASH_INFO = "agent-communication k1 request hash";

/** Where a value belongs. It is authenticated with it, so an envelope means nothing in another place. */
export interface Place {
  kind: "message" | "task" | "schedule";
  /** Of the message, task or schedule. It does not change when a task is archived. */
  id: string;
  field: "payload" | "parameters" | "result" | "checkpoint" | "question" | "defaultAnswer" | "answer" | "contents";
}

/** The associated data: the same text for a place always, a different one for every other place. */
function associatedData({ kind, id, field }: Place): Buffer {
  return Buffer.from(JSON.stringify([FORMAT, kind, id, field]), "utf8");
}

/** What is made of a key once, because making it for each value costs as much as encrypting a small one. */
interface Prepared {
  /** The key as Node keeps it: half the cost of deriving from its bytes. */
  object: KeyObject;
  hashKey: KeyObject;
}

const prepared = new WeakMap<Key, Prepared>();

function prepare(key: Key): Prepared {
  const known = prepared.get(key);
  if (known !== undefined) return known;
  const object = createSecretKey(key.bytes);
  const hashKey = createSecretKey(Buffer.from(hkdfSync("sha256", object, "", HASH_INFO, KEY_BYTES)));
  const made = { object, hashKey };
  prepared.set(key, made);
  return made;
}

function valueKey(key: Key, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", prepare(key).object, salt, VALUE_INFO, KEY_BYTES));
}

/**
 * Encrypts a text for its place.
 *
 * @example
 * encryptText(key, { kind: "message", id: "m-1", field: "payload" }, '{"a":1}'); // e1.0f3c….…
 */
export function encryptText(key: Key, place: Place, text: string): string {
  const random = randomBytes(SALT_BYTES + NONCE_BYTES);
  const [salt, nonce] = [random.subarray(0, SALT_BYTES), random.subarray(SALT_BYTES)];
  const cipher = createCipheriv(CIPHER, valueKey(key, salt), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(place));
  const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  const parts = [salt, nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
  return [FORMAT, key.version, ...parts].join(".");
}

/** Decrypts an envelope; undefined when it is none, was made for another place or key, or is not what it was. */
export function decryptText(key: Key, place: Place, envelope: string): string | undefined {
  const [format, version, ...parts] = envelope.split(".");
  const [salt, nonce, ciphertext, tag] = parts.map((part) => Buffer.from(part, "base64url"));
  if (format !== FORMAT || version !== key.version || parts.length !== 4) return undefined;
  if (salt?.length !== SALT_BYTES || nonce?.length !== NONCE_BYTES || tag?.length !== TAG_BYTES) return undefined;
  if (ciphertext === undefined) return undefined;
  const decipher = createDecipheriv(CIPHER, valueKey(key, salt), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(place));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
  } catch {
    // The only thing that can fail here is the authentication.
    return undefined;
  }
}

/** Of the HMAC: half of it is enough to compare bodies, and fits where a plain hash does (RFC 2104, section 5). */
const HASH_CHARACTERS = 22;
const HASH_FORMAT = "k1";

/**
 * A hash of a request that nobody can try guesses against without the key: `k1.<version>.<128 bits of HMAC-SHA256, base64url>`.
 * Requests that mean the same hash the same, as with requestHash.
 */
export function keyedHash(key: Key, request: unknown): string {
  const hmac = createHmac("sha256", prepare(key).hashKey)
    .update(stringify(request) ?? "")
    .digest("base64url");
  return [HASH_FORMAT, key.version, hmac.slice(0, HASH_CHARACTERS)].join(".");
}

/** The version of the key that a hash was made with; undefined for a plain one. */
export function versionOfHash(hash: string): string | undefined {
  const [format, version, hmac] = hash.split(".");
  return format === HASH_FORMAT && hmac !== undefined ? version : undefined;
}
