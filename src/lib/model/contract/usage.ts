import { z } from "zod";
import { getUsageQuerySchema, getUsageReplySchema, reportUsageReplySchema, reportUsageSchema } from "../usage.ts";
import { idSchema } from "../values.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of usage. */

export const USAGE = {
  "POST /tasks/{taskId}/usage": {
    params: z.strictObject({ taskId: idSchema }),
    query: undefined,
    body: reportUsageSchema,
    reply: reportUsageReplySchema,
  },
  "GET /usage": { params: undefined, query: getUsageQuerySchema, body: undefined, reply: getUsageReplySchema },
} as const satisfies Readonly<Record<string, OperationShape>>;
