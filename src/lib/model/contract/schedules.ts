import { z } from "zod";
import {
  listSchedulesQuerySchema,
  listSchedulesReplySchema,
  putScheduleSchema,
  scheduleIdSchema,
  scheduleSchema,
  triggerReplySchema,
} from "../schedule.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of schedules. */

const scheduleParams = z.strictObject({ scheduleId: scheduleIdSchema });

export const SCHEDULES = {
  "PUT /schedules/{scheduleId}": {
    params: scheduleParams,
    query: undefined,
    body: putScheduleSchema,
    reply: scheduleSchema,
  },
  "GET /schedules": {
    params: undefined,
    query: listSchedulesQuerySchema,
    body: undefined,
    reply: listSchedulesReplySchema,
  },
  "GET /schedules/{scheduleId}": { params: scheduleParams, query: undefined, body: undefined, reply: scheduleSchema },
  "DELETE /schedules/{scheduleId}": {
    params: scheduleParams,
    query: undefined,
    body: undefined,
    reply: scheduleParams,
  },
  "POST /schedules/{scheduleId}/trigger": {
    params: scheduleParams,
    query: undefined,
    body: undefined,
    reply: triggerReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
