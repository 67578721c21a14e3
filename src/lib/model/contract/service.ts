import { z } from "zod";
import {
  auditBlockContentsSchema,
  auditDigestReplySchema,
  listAuditBlocksQuerySchema,
  listAuditBlocksReplySchema,
  listAuditQuerySchema,
  listAuditReplySchema,
} from "../audit.ts";
import { rotateKeysSchema, rotationSchema } from "../rotation.ts";
import {
  coordinationStatisticsSchema,
  healthSchema,
  maintenanceReportSchema,
  metricsSchema,
  queueStatisticsSchema,
  registryStatisticsSchema,
} from "../statistics.ts";
import { writtenWhole } from "../written-number.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of the service itself: statistics, health, audit, upkeep. */

/** The process answers; nothing else was asked. */
const livenessSchema = z.object({ status: z.literal("healthy"), checks: z.object({}) });
const blockParams = z.strictObject({ blockNo: writtenWhole(1).meta({ param: { required: true } }) });
/** Enough to tell an OpenAPI document; the rest is OpenAPI's own schema. */
export const openApiSchema = z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) });
/** A body that carries nothing: absent or `{}`. */
const emptyBody = z.strictObject({});

export const SERVICE = {
  "GET /stats/queue": { params: undefined, query: undefined, body: undefined, reply: queueStatisticsSchema },
  "GET /stats/registry": { params: undefined, query: undefined, body: undefined, reply: registryStatisticsSchema },
  "GET /stats/coordination": {
    params: undefined,
    query: undefined,
    body: undefined,
    reply: coordinationStatisticsSchema,
  },
  "GET /metrics": { params: undefined, query: undefined, body: undefined, reply: metricsSchema },
  "GET /health": { params: undefined, query: undefined, body: undefined, reply: healthSchema },
  "GET /health/live": { params: undefined, query: undefined, body: undefined, reply: livenessSchema },
  "GET /audit": { params: undefined, query: listAuditQuerySchema, body: undefined, reply: listAuditReplySchema },
  "GET /audit/blocks": {
    params: undefined,
    query: listAuditBlocksQuerySchema,
    body: undefined,
    reply: listAuditBlocksReplySchema,
  },
  "GET /audit/blocks/{blockNo}": {
    params: blockParams,
    query: undefined,
    body: undefined,
    reply: auditBlockContentsSchema,
  },
  "GET /audit/digest": { params: undefined, query: undefined, body: undefined, reply: auditDigestReplySchema },
  "POST /maintenance": { params: undefined, query: undefined, body: emptyBody, reply: maintenanceReportSchema },
  "POST /keys/rotate": { params: undefined, query: undefined, body: rotateKeysSchema, reply: rotationSchema },
  "GET /openapi.json": { params: undefined, query: undefined, body: undefined, reply: openApiSchema },
} as const satisfies Readonly<Record<string, OperationShape>>;
