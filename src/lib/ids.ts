import { createHash } from "node:crypto";
import { stringify } from "safe-stable-stringify";
import { v7 } from "uuid";

/** A new id: UUIDv7 (RFC 9562), so ids made later sort later and indexes grow at their end. */
export function newId(now: number): string {
  return v7({ msecs: now });
}

/**
 * SHA-256 (hex) of `request` as JSON with sorted keys: two requests that mean the same hash the same.
 *
 * @example
 * requestHash({ a: 1, b: 2 }) === requestHash({ b: 2, a: 1 }); // true
 */
export function requestHash(request: unknown): string {
  return createHash("sha256").update(stringify(request) ?? "").digest("hex");
}
