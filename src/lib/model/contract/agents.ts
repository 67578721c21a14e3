import { z } from "zod";
import {
  agentSchema,
  directoryQuerySchema,
  directoryReplySchema,
  heartbeatReplySchema,
  heartbeatSchema,
  listAgentsQuerySchema,
  listAgentsReplySchema,
  registerAgentReplySchema,
  registerAgentSchema,
} from "../agent.ts";
import { idSchema } from "../values.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of agents. */

const agentParams = z.strictObject({ agentId: idSchema });

export const AGENTS = {
  "POST /agents": { params: undefined, query: undefined, body: registerAgentSchema, reply: registerAgentReplySchema },
  "GET /agents": { params: undefined, query: listAgentsQuerySchema, body: undefined, reply: listAgentsReplySchema },
  "GET /directory": { params: undefined, query: directoryQuerySchema, body: undefined, reply: directoryReplySchema },
  "GET /agents/{agentId}": { params: agentParams, query: undefined, body: undefined, reply: agentSchema },
  "DELETE /agents/{agentId}": { params: agentParams, query: undefined, body: undefined, reply: agentSchema },
  "POST /agents/{agentId}/heartbeat": {
    params: agentParams,
    query: undefined,
    body: heartbeatSchema,
    reply: heartbeatReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
