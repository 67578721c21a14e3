import { z } from "zod";

/** A page of a list. Pages are small: a model reads them. */
export function pageOf(most: number, usual: number) {
  return {
    limit: z.int().min(1).max(most).default(usual),
    cursor: z.string().max(1_024).optional().describe("nextCursor of the page before"),
  };
}
