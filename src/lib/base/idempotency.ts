import { z } from "zod";
import { AgentCommunicationError } from "../model/errors.ts";
import { requestHash } from "../model/ids.ts";
import { parse } from "../model/parse.ts";

/** How a repeat of a send or an assignment is recognised when the caller gives no id: RFC draft Idempotency-Key. */

/** 1–255 printable ASCII characters. No comma: that is how hosts join a header that was sent twice. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x2b\x2d-\x7e]{1,255}$/, "must be 1–255 printable ASCII characters without spaces and commas");

/** What a caller may give beside the body. */
export interface SendOptions {
  /** The Idempotency-Key header: scoped by caller and route, refused together with an id. */
  idempotencyKey?: string | undefined;
}

/**
 * The text under which a store keeps a key: a hash, so that its length is bounded, of caller, route, key and, in a batch,
 * index.
 *
 * @throws INVALID_REQUEST for a malformed key, or one together with an id
 */
export function scopedKey(
  route: string,
  caller: string,
  options: SendOptions,
  id: string | undefined,
  index = 0,
): string | undefined {
  if (options.idempotencyKey === undefined) return undefined;
  const key = parse(idempotencyKeySchema, options.idempotencyKey, "Idempotency-Key header");
  if (id !== undefined) {
    throw new AgentCommunicationError("INVALID_REQUEST", "Give an id or an Idempotency-Key, not both.");
  }
  return requestHash([route, caller, key, index]);
}

/**
 * The id or key was used with another body, as far as the hashes of the two tell. A hash of something sensitive is made with a
 * key, which may have another version by now: who made the request makes its hash again the way the stored one was made, and
 * tries again if they are the same.
 */
export class IdempotencyMismatch extends AgentCommunicationError {
  /** The id of the message or task of the request that was refused. */
  readonly of: string;
  /** Undefined when it is not a stored one that differs. It is for comparing only: never show it to anybody. */
  readonly storedHash: string | undefined;

  constructor(detail: string, of: string, storedHash: string | undefined) {
    super("IDEMPOTENCY_MISMATCH", detail);
    this.of = of;
    this.storedHash = storedHash;
  }
}

/** A question has another answer, as far as the hashes of the two tell; whoever answers compares again, as above. */
export class AnswerMismatch extends AgentCommunicationError {
  /** Undefined when nobody has answered. It is for comparing only: never show it to anybody. */
  readonly storedHash: string | undefined;

  constructor(detail: string, storedHash: string | undefined) {
    super("ALREADY_ANSWERED", detail);
    this.storedHash = storedHash;
  }
}
