import { z } from "zod";
import { AgentCommunicationError } from "./errors.ts";
import { requestHash } from "./ids.ts";
import { parse } from "./parse.ts";

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
