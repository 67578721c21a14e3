import type { z } from "zod";

/** What an operation takes and gives: path parameters, query and body, undefined where it has none, and the JSON of every 2xx reply. */
export interface OperationShape {
  params: z.ZodType | undefined;
  query: z.ZodType | undefined;
  body: z.ZodType | undefined;
  reply: z.ZodType;
}
