import { z } from "zod";
import { defineRoute } from "../lib/http/route.ts";
import {
  credentialIdSchema,
  credentialSchema,
  issueCredentialReplySchema,
  issueCredentialSchema,
  listCredentialsQuerySchema,
  listCredentialsReplySchema,
} from "../lib/security/credential.ts";
import { ADMIN_ONLY } from "./shapes.ts";

export const issueCredential = defineRoute({
  key: "POST /credentials",
  name: "issueCredential",
  summary: "Issues a token or an enrolment key, whose secret is shown this once, or binds a principal or a certificate",
  allow: ADMIN_ONLY,
  params: undefined,
  query: undefined,
  body: issueCredentialSchema,
  reply: issueCredentialReplySchema,
  statuses: [201],
  changesRights: true,
  async handler(services, { body }) {
    return { status: 201, body: await services.credentials.issue(body) };
  },
});

export const listCredentials = defineRoute({
  key: "GET /credentials",
  name: "listCredentials",
  summary: "Lists credentials, the newest first, without their secrets",
  allow: ADMIN_ONLY,
  params: undefined,
  query: listCredentialsQuerySchema,
  body: undefined,
  reply: listCredentialsReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.credentials.list(query) };
  },
});

export const revokeCredential = defineRoute({
  key: "DELETE /credentials/{credentialId}",
  name: "revokeCredential",
  summary: "Revokes a credential for good: everywhere within 5 s",
  allow: ADMIN_ONLY,
  params: z.strictObject({ credentialId: credentialIdSchema }),
  query: undefined,
  body: undefined,
  reply: credentialSchema,
  statuses: [200],
  changesRights: true,
  async handler(services, { params }) {
    return { status: 200, body: await services.credentials.revoke(params.credentialId) };
  },
});
