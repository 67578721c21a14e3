import { defineRoute } from "../lib/http/route.ts";
import { ADMIN_ONLY } from "./allowed-callers.ts";
import { AUDIT_BLOCK, AUDIT_ENTRY } from "./examples.ts";

export const listAudit = defineRoute({
  key: "GET /audit",
  name: "listAudit",
  summary: "Lists audit entries, newest first",
  description:
    "Who did what to what, and when. A page may be short, or empty, without being the last: `nextCursor` is null only at the end.",
  example: { reply: { entries: [AUDIT_ENTRY], nextCursor: null } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.audit.list(query) };
  },
});

export const listAuditBlocks = defineRoute({
  key: "GET /audit/blocks",
  name: "listAuditBlocks",
  summary: "Lists sealed audit blocks, oldest first",
  description: "Each block has the hash of the block before it.",
  example: { reply: { blocks: [AUDIT_BLOCK], nextCursor: null } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.audit.blocks(query) };
  },
});

export const getAuditBlock = defineRoute({
  key: "GET /audit/blocks/{blockNo}",
  name: "getAuditBlock",
  summary: "Reads an audit block with its entries",
  description: "The entries as they are now and their hashes as they were sealed: all that verifying the block takes.",
  example: {
    reply: {
      block: AUDIT_BLOCK,
      members: [{ entryNo: AUDIT_ENTRY.entryNo, hash: AUDIT_BLOCK.hash, entry: AUDIT_ENTRY }],
      strays: [],
    },
  },
  longReply: true,
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.audit.block(params.blockNo) };
  },
});

export const getAuditDigest = defineRoute({
  key: "GET /audit/digest",
  name: "getAuditDigest",
  summary: "Reads the hash of the newest audit block",
  description:
    "Keep it in a place where it cannot be changed: it reveals a later replacement of the whole audit. Also returns the retention and how many entries are not sealed yet.",
  example: {
    reply: {
      blockNo: 1,
      lastEntryNo: 1,
      hash: AUDIT_BLOCK.hash,
      sealedAt: AUDIT_BLOCK.sealedAt,
      at: "2026-03-01T09:10:00.000Z",
      retentionDays: 365,
      unsealed: { count: 0 },
    },
  },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.audit.digest() };
  },
});
