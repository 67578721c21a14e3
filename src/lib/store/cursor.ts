import { createHash } from "node:crypto";
import { stringify } from "safe-stable-stringify";
import { z } from "zod";
import { AgentCommunicationError } from "../model/errors.ts";

/** A cursor is opaque to callers: the position of the last row of a page, and a hash of the filters it belongs to. */

const cursorSchema = z.tuple([
  z.string(),
  z
    .array(z.union([z.string(), z.int()]))
    .min(1)
    .max(4),
]);

/** Nine bytes tell one set of filters from another; the cursor is a bookmark, not a credential. */
const HASH_CHARACTERS = 12;

function filtersHash(filters: unknown): string {
  return createHash("sha256")
    .update(stringify(filters) ?? "")
    .digest("base64url")
    .slice(0, HASH_CHARACTERS);
}

/**
 * The cursor after `position` of a list with `filters`.
 *
 * @example
 * encodeCursor({ list: "tasks", status: "pending" }, [42]);
 */
export function encodeCursor(filters: unknown, position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([filtersHash(filters), position])).toString("base64url");
}

/** What positions of a list are made of: one text, or so many whole numbers. */
export type PositionShape = "text" | 1 | 2;

/** A text where a number belongs is not compared as one by every database. */
function hasShape(position: readonly (string | number)[], shape: PositionShape): boolean {
  if (shape === "text") return position.length === 1 && typeof position[0] === "string";
  return position.length === shape && position.every((part) => typeof part === "number");
}

/**
 * The position inside a cursor, undefined without one.
 *
 * @throws INVALID_REQUEST for anything that this list, with these filters, did not give
 */
export function decodeCursor(
  filters: unknown,
  cursor: string | undefined,
  shape: PositionShape,
): (string | number)[] | undefined {
  if (cursor === undefined) return undefined;
  const parsed = cursorSchema.safeParse(parseJson(Buffer.from(cursor, "base64url").toString("utf8")));
  // Compared with what we would have given: base64url has more than one spelling of the same bytes.
  const ours = parsed.success && hasShape(parsed.data[1], shape) && encodeCursor(filters, parsed.data[1]) === cursor;
  if (!parsed.success || !ours) {
    throw new AgentCommunicationError("INVALID_REQUEST", "The cursor does not belong to this list and its filters.", {
      errors: [{ path: "cursor", message: "does not belong to this list and its filters" }],
    });
  }
  return parsed.data[1];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
