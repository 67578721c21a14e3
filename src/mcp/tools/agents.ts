import { z } from "zod";
import { getAgent, heartbeat, listDirectory, registerAgent } from "../../functions/agents.ts";
import {
  agentRoleSchema,
  agentSchema,
  directoryQuerySchema,
  directoryReplySchema,
  heartbeatReplySchema,
  registerAgentReplySchema,
  registerAgentSchema,
} from "../../lib/model/agent.ts";
import { isAgentCommunicationError } from "../../lib/model/errors.ts";
import { capabilitySchema } from "../../lib/model/values.ts";
import type { Me } from "../exchange.ts";
import { showAgent, showEntry } from "../shown.ts";
import { type Call, defineTool, queryOf } from "../tool.ts";
import { pageOf } from "./page.ts";

/** Being one of the agents, and finding others. */

/** A session that thinks, or waits for its user, says nothing for long. */
const SILENCE_SECONDS = 3_600;

const registered = registerAgentSchema.shape;

/** The agent as it is registered; undefined when it is not. */
async function known(call: Call, me: Me) {
  try {
    return agentSchema.parse(await call(getAgent, { params: { agentId: me.agentId } }));
  } catch (error) {
    if (isAgentCommunicationError(error) && error.code === "AGENT_NOT_FOUND") return undefined;
    throw error;
  }
}

export const join = defineTool({
  name: "join",
  title: "Join the fleet",
  description:
    "Registers you as an agent of the fleet, or brings you back. Call it first. What you leave out stays as it was registered. Tasks are given to workers that have the capabilities which a task requires.",
  annotations: { destructiveHint: false, idempotentHint: true },
  route: registerAgent,
  input: z.strictObject({
    role: agentRoleSchema
      .optional()
      .describe("worker does tasks, supervisor hands them out; what your credential allows"),
    capabilities: z.array(capabilitySchema).optional().describe("What you can do: python, review, python@3.12"),
    maxConcurrentTasks: z.int().min(0).optional().describe("Tasks that you take at once; 1 unless you say otherwise"),
    heartbeatTimeoutSeconds: registered.heartbeatTimeoutSeconds.describe(
      "Silence after which your tasks go to others; 3600 unless you say otherwise",
    ),
    metadata: z.record(z.string(), z.json()).optional().describe("Anything that others should know of you"),
  }),
  async run(call, input, me) {
    const before = await known(call, me);
    const body = {
      agentId: me.agentId,
      role: input.role ?? before?.role ?? me.role ?? "worker",
      capabilities: input.capabilities ?? before?.capabilities ?? [],
      maxConcurrentTasks: input.maxConcurrentTasks ?? before?.maxConcurrentTasks ?? 1,
      heartbeatTimeoutSeconds: input.heartbeatTimeoutSeconds ?? before?.heartbeatTimeoutSeconds ?? SILENCE_SECONDS,
      metadata: input.metadata ?? before?.metadata,
    };
    // A token that it may have made is for its owner, not for a model.
    const { agent } = registerAgentReplySchema.parse(await call(registerAgent, { body }));
    return (maxBytes) => ({ agent: showAgent(agent, maxBytes) });
  },
});

export const checkIn = defineTool({
  name: "check_in",
  title: "Check in",
  description:
    "Says that you are alive, and tells who you are, which tasks are yours (taskId and attempt, which every call about a task names), which of them are to be cancelled, and how many messages wait. Call it when you begin, and between long steps. draining: you finish what you have and get nothing new.",
  annotations: { destructiveHint: false, idempotentHint: true },
  route: heartbeat,
  input: z.strictObject({ status: z.enum(["active", "draining"]).optional() }),
  async run(call, input, me) {
    const params = { agentId: me.agentId };
    const beat = heartbeatReplySchema.parse(await call(heartbeat, { params, body: input }));
    return () => ({ agentId: me.agentId, role: me.role, ...beat });
  },
});

export const findAgents = defineTool({
  name: "find_agents",
  title: "Find agents",
  description: "Lists the agents that you may write to, by role, capability and status.",
  annotations: { readOnlyHint: true },
  route: listDirectory,
  input: z.strictObject({
    role: agentRoleSchema.optional(),
    capability: capabilitySchema.optional(),
    status: directoryQuerySchema.shape.status,
    ...pageOf(20, 10),
  }),
  async run(call, input) {
    const reply = directoryReplySchema.parse(await call(listDirectory, { query: queryOf(input) }));
    return (maxBytes) => ({
      agents: reply.agents.map((agent) => showEntry(agent, Math.min(maxBytes, 512))),
      nextCursor: reply.nextCursor,
    });
  },
});
