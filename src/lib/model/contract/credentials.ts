import { z } from "zod";
import {
  credentialIdSchema,
  credentialSchema,
  issueCredentialReplySchema,
  issueCredentialSchema,
  listCredentialsQuerySchema,
  listCredentialsReplySchema,
  renewTokenReplySchema,
} from "../credential.ts";
import { idSchema } from "../values.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of credentials. */

const agentParams = z.strictObject({ agentId: idSchema });
/** A body that carries nothing: absent or `{}`. */
const emptyBody = z.strictObject({});

export const CREDENTIALS = {
  "POST /credentials": {
    params: undefined,
    query: undefined,
    body: issueCredentialSchema,
    reply: issueCredentialReplySchema,
  },
  "GET /credentials": {
    params: undefined,
    query: listCredentialsQuerySchema,
    body: undefined,
    reply: listCredentialsReplySchema,
  },
  "DELETE /credentials/{credentialId}": {
    params: z.strictObject({ credentialId: credentialIdSchema }),
    query: undefined,
    body: undefined,
    reply: credentialSchema,
  },
  "GET /token": { params: undefined, query: undefined, body: undefined, reply: credentialSchema },
  "POST /agents/{agentId}/token": {
    params: agentParams,
    query: undefined,
    body: emptyBody,
    reply: renewTokenReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
