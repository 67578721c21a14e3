import {
  type ListResourcesResult,
  type ListResourceTemplatesResult,
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceNotFoundError,
} from "@modelcontextprotocol/server";
import { getAgent } from "../functions/agents.ts";
import { getMessageType } from "../functions/message-types.ts";
import { getTask, getTaskAssignments } from "../functions/tasks.ts";
import { asPublicError } from "../lib/http/problem.ts";
import { agentSchema } from "../lib/model/agent.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import { messageTypeDefinitionSchema } from "../lib/model/message.ts";
import { listAssignmentsReplySchema, taskSchema } from "../lib/model/task.ts";
import { callsOf, mayCall } from "./caller-calls.ts";
import { audienceOf, type Exchange } from "./exchange.ts";
import { fitting } from "./reply-size.ts";
import { showAgent, showTask } from "./shown.ts";
import { type Call, queryOf, type Show } from "./tool.ts";
import { untrusted } from "./untrusted.ts";

/** What a session can read by its address: tasks with why they went where they went, agents, and the schemas of message types. */

const JSON_TYPE = "application/json";
/** Attempts of a task that are explained; the first ones where there were more. */
const ATTEMPTS_EXPLAINED = 5;

interface Kind {
  scheme: string;
  name: string;
  title: string;
  description: string;
  read(call: Call, id: string, exchange: Exchange): Promise<Show>;
}

const TASK: Kind = {
  scheme: "task",
  name: "task",
  title: "A task",
  description: "What was asked, how it stands, its result; and for its supervisor which agents were weighed for it",
  async read(call, id, exchange) {
    const task = taskSchema.parse(await call(getTask, { params: { taskId: id } }));
    if (!mayCall(audienceOf(exchange.caller), getTaskAssignments)) return (maxBytes) => showTask(task, maxBytes);
    const query = queryOf({ limit: ATTEMPTS_EXPLAINED });
    const explained = await call(getTaskAssignments, { params: { taskId: id }, query });
    const { assignments } = listAssignmentsReplySchema.parse(explained);
    return (maxBytes) => ({
      ...showTask(task, maxBytes),
      // Of many candidates the best are enough to see why.
      assignments: assignments.map((one) => ({
        ...one,
        considered: one.considered.slice(0, maxBytes >= 2_048 ? 8 : 2),
      })),
    });
  },
};

const AGENT: Kind = {
  scheme: "agent",
  name: "agent",
  title: "An agent",
  description: "Its role, status, capabilities and how it performed in the last 30 days",
  async read(call, id) {
    const agent = agentSchema.parse(await call(getAgent, { params: { agentId: id } }));
    return (maxBytes) => showAgent(agent, maxBytes);
  },
};

const MESSAGE_TYPE: Kind = {
  scheme: "message-type",
  name: "message-type",
  title: "A message type",
  description: "The JSON Schema that payloads of this type must satisfy",
  async read(call, id) {
    const reply = messageTypeDefinitionSchema.parse(await call(getMessageType, { params: { type: id } }));
    const { schema, ...facts } = reply;
    return (maxBytes) => ({ ...facts, untrusted: untrusted({ from: "an admin" }, { schema }, maxBytes * 4) });
  },
};

const KINDS: readonly Kind[] = [TASK, AGENT, MESSAGE_TYPE];

/** `task://build-1`; ids need no escapes. */
const URI = /^([a-z-]+):\/\/([^/?#]{1,256})$/;

/** The same for every caller. */
export const resourceTemplates: ListResourceTemplatesResult = {
  resourceTemplates: KINDS.map(({ scheme, name, title, description }) => ({
    uriTemplate: `${scheme}://{id}`,
    ...{ name, title, description, mimeType: JSON_TYPE },
  })),
};

/** The caller itself; everything else is found by tools. */
export function resourceListFor({ agentId }: Exchange): ListResourcesResult {
  if (agentId === undefined) return { resources: [] };
  const { title, description } = AGENT;
  const uri = `${AGENT.scheme}://${agentId}`;
  return { resources: [{ uri, name: agentId, title, description, mimeType: JSON_TYPE }] };
}

/** What a reader is told in the same way: that it is not there, or is not for this caller. */
function isNotThere(error: unknown): boolean {
  return isAgentCommunicationError(error) && [400, 403, 404].includes(error.status);
}

/** @throws ResourceNotFoundError for what is not there, and for what the caller may not read; ProtocolError for a fault of ours */
export async function readResource(exchange: Exchange, uri: string): Promise<ReadResourceResult> {
  const [, scheme, id = ""] = URI.exec(uri) ?? [];
  const kind = KINDS.find((candidate) => candidate.scheme === scheme);
  if (kind === undefined) throw new ResourceNotFoundError(uri);
  try {
    const { text } = fitting(await kind.read(callsOf(exchange), id, exchange));
    return { contents: [{ uri, mimeType: JSON_TYPE, text }] };
  } catch (error) {
    if (isNotThere(error)) throw new ResourceNotFoundError(uri);
    throw new ProtocolError(ProtocolErrorCode.InternalError, asPublicError(error).message);
  }
}
