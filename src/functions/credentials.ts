import { defineRoute } from "../lib/http/route.ts";
import { ADMIN_ONLY } from "./allowed-callers.ts";
import { TOKEN } from "./examples.ts";

export const issueCredential = defineRoute({
  key: "POST /credentials",
  name: "issueCredential",
  summary: "Issues a credential",
  description:
    "A token is for one agent; an enrolment key registers new agents; a principal binds an Entra ID application, a certificate a client certificate. The reply shows the secret of a token or an enrolment key, this once.",
  example: {
    body: { kind: "token", agentId: "backend-1", expiresInSeconds: 7_776_000, label: "rack-7" },
    reply: { credential: TOKEN, secret: "agt_…" },
  },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [201],
  changesRights: true,
  async handler(services, { body }) {
    return { status: 201, body: await services.credentials.issue(body) };
  },
});

export const listCredentials = defineRoute({
  key: "GET /credentials",
  name: "listCredentials",
  summary: "Lists credentials, newest first",
  description:
    "Without secrets and their hashes. Expired and revoked ones are included until maintenance deletes them.",
  example: { reply: { credentials: [TOKEN], nextCursor: null } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.credentials.list(query) };
  },
});

export const revokeCredential = defineRoute({
  key: "DELETE /credentials/{credentialId}",
  name: "revokeCredential",
  summary: "Revokes a credential permanently",
  description: "The process that answers refuses it at once, every other process within 5 s.",
  example: { reply: { ...TOKEN, revokedAt: "2026-03-02T08:00:00.000Z" } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  changesRights: true,
  async handler(services, { params }) {
    return { status: 200, body: await services.credentials.revoke(params.credentialId) };
  },
});
