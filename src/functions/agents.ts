import type { Applicant } from "../lib/domain/agents/agent-registry.ts";
import type { RegistrationBounds } from "../lib/domain/credentials/registration-bounds.ts";
import type { Caller } from "../lib/gates/caller.ts";
import { OWN_BODY, OWN_PATH } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { EVERYBODY, itself, READERS } from "./allowed-callers.ts";
import { AGENT } from "./examples.ts";

export const registerAgent = defineRoute({
  key: "POST /agents",
  name: "registerAgent",
  summary: "Registers an agent, or updates and reactivates an existing one",
  description:
    "Capabilities are a set. With an enrolment key as the credential, a new agent gets a token of its own in the reply, this once. An agent that thinks for long gives `heartbeatTimeoutSeconds` (10 to 86,400): it is inactive after that much silence instead of the time that the service is set to, and beats at a third of it.",
  example: {
    body: { agentId: "backend-1", role: "worker", capabilities: ["python@3.12", "database"], maxConcurrentTasks: 3 },
    reply: { agent: AGENT },
  },
  idle: false,
  allow: { ...itself(OWN_BODY), enrolment: true },
  statuses: [200, 201],
  changesRights: true,
  async handler(services, { body, caller, header }) {
    const applicant = applicantOf(caller, header("idempotency-key"));
    const { created, ...reply } = await services.registry.register(body, applicant, boundsOf(caller));
    return { status: created ? 201 : 200, body: reply };
  },
});

/** Under whose authority the caller registers; undefined where anything may be registered: by an admin, and in mode `none`. */
function applicantOf(caller: Caller, idempotencyKey: string | undefined): Applicant | undefined {
  if (caller.kind === "enrolment") return { kind: "enrolment", credentialId: caller.credentialId, idempotencyKey };
  if (caller.kind !== "agent" || caller.role === "admin") return undefined;
  return caller.credential === "entra" ? { kind: "applicant", roles: caller.roles } : { kind: "own" };
}

/** What the caller's credential allows to register; undefined: anything. */
function boundsOf(caller: Caller): RegistrationBounds | undefined {
  return caller.kind === "agent" || caller.kind === "enrolment" ? caller.bounds : undefined;
}

export const listAgents = defineRoute({
  key: "GET /agents",
  name: "listAgents",
  summary: "Lists agents, ordered by id",
  description:
    "`capability` selects the agents that meet a requirement: `python` is met by `python` and by any `python@version`.",
  example: { reply: { agents: [AGENT], nextCursor: null } },
  idle: false,
  allow: READERS,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.registry.list(query) };
  },
});

export const listDirectory = defineRoute({
  key: "GET /directory",
  name: "listDirectory",
  summary: "Lists the agents that the caller may write to, ordered by id",
  description:
    "Id, role, capabilities and status of every agent that is registered; with `AGENT_CHANNEL_POLICY=restricted` workers and supervisors see themselves and those that they share a channel with. Metadata, load and performance are in `GET /agents`.",
  example: {
    reply: {
      agents: [{ agentId: "backend-1", role: "worker", capabilities: ["database", "python@3.12"], status: "active" }],
      nextCursor: null,
    },
  },
  idle: false,
  allow: EVERYBODY,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.channels.directory(query) };
  },
});

export const getAgent = defineRoute({
  key: "GET /agents/{agentId}",
  name: "getAgent",
  summary: "Reads an agent",
  description: "Includes its status, how many tasks it has now and how it performed in the last 30 days.",
  example: { reply: AGENT },
  idle: false,
  allow: { roles: { ...READERS.roles, worker: "own" }, own: OWN_PATH },
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.registry.get(params.agentId) };
  },
});

export const deregisterAgent = defineRoute({
  key: "DELETE /agents/{agentId}",
  name: "deregisterAgent",
  summary: "Deregisters an agent",
  description:
    "Its tasks go to other agents without using a retry. The next sweep moves its messages to the dead letters. The agent can register again.",
  example: { reply: { ...AGENT, status: "deregistered", activeTasks: 0 } },
  idle: false,
  allow: itself(OWN_PATH),
  statuses: [200],
  changesRights: true,
  async handler(services, { params }) {
    return { status: 200, body: await services.registry.deregister(params.agentId) };
  },
});

export const heartbeat = defineRoute({
  key: "POST /agents/{agentId}/heartbeat",
  name: "heartbeat",
  summary: "Reports that an agent is alive",
  description:
    "Returns how many messages wait for the agent, the tasks that it has, and which of them are to be cancelled. An agent that is silent for three intervals becomes inactive, and its tasks go to others. `draining` keeps the tasks of the agent and gives it no new ones.",
  example: {
    body: { status: "active" },
    reply: {
      status: "active",
      heartbeatIntervalSeconds: 30,
      pendingMessages: 2,
      tasks: [{ taskId: "build-1", attempt: 1, cancelRequested: false }],
    },
  },
  idle: true,
  allow: itself(OWN_PATH),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await services.registry.heartbeat(params.agentId, body, boundsOf(caller)) };
  },
});
