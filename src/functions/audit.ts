import { z } from "zod";
import { defineRoute } from "../lib/http/route.ts";
import {
  auditBlockContentsSchema,
  auditDigestReplySchema,
  listAuditBlocksQuerySchema,
  listAuditBlocksReplySchema,
  listAuditQuerySchema,
  listAuditReplySchema,
} from "../lib/security/audit.ts";
import { ADMIN_ONLY } from "./shapes.ts";

const blockParams = z.strictObject({ blockNo: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) });

export const listAudit = defineRoute({
  key: "GET /audit",
  name: "listAudit",
  summary: "Lists what was done, the latest first; a page may be short and not be the last",
  allow: ADMIN_ONLY,
  params: undefined,
  query: listAuditQuerySchema,
  body: undefined,
  reply: listAuditReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.audit.list(query) };
  },
});

export const listAuditBlocks = defineRoute({
  key: "GET /audit/blocks",
  name: "listAuditBlocks",
  summary: "Lists the sealed blocks of the audit, the oldest first",
  allow: ADMIN_ONLY,
  params: undefined,
  query: listAuditBlocksQuerySchema,
  body: undefined,
  reply: listAuditBlocksReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.audit.blocks(query) };
  },
});

export const getAuditBlock = defineRoute({
  key: "GET /audit/blocks/{blockNo}",
  name: "getAuditBlock",
  summary: "Reads a block of the audit with its entries as they are now: all that it takes to verify it",
  allow: ADMIN_ONLY,
  params: blockParams,
  query: undefined,
  body: undefined,
  reply: auditBlockContentsSchema,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.audit.block(params.blockNo) };
  },
});

export const getAuditDigest = defineRoute({
  key: "GET /audit/digest",
  name: "getAuditDigest",
  summary:
    "Reads the hash of the newest block of the audit, to be kept where nobody can change it; the retention; and how many entries are not sealed yet",
  allow: ADMIN_ONLY,
  params: undefined,
  query: undefined,
  body: undefined,
  reply: auditDigestReplySchema,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.audit.digest() };
  },
});
