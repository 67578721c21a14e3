import type { Agent, RegisterAgent } from "../../model/agent.ts";
import { newId } from "../../model/ids.ts";
import { actorOf } from "../../trace/call-context.ts";
import { type RegistrationRefusal, registrationRefusal } from "../registration-refusals.ts";
import type { RegistrationAuthority } from "../store.ts";
import { type AgentRow, readAgent } from "./agent-rows.ts";
import { type Batch, type OutcomeRow, outcomeRows } from "./batch.ts";
import { encodeCapabilities } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { procedure } from "./procedures.ts";
import { encodeAuthority } from "./registration-authority.ts";

/** Registering: a file apart from agents.ts, which would be too long with it. */

const SQL = procedure("register_agents");

/** The same with authorities to be looked at. Who repeats an enrolment has not had the answer to the first one: it reads as that did. */
const AUTHORISED_SQL = procedure("register_authorised_agents");

interface Registration {
  agent: RegisterAgent;
  authority: RegistrationAuthority | undefined;
  /** Made before the first try: the repeat after a lost answer is answered as the first. */
  operationId: string;
}

interface RegisteredRow extends OutcomeRow {
  code: RegistrationRefusal | null;
  created: boolean | number;
}

const REGISTER: Batch<Registration, { agent: Agent; created: boolean }> = {
  name: "register-agents",
  sql: (items) => (items.some(({ authority }) => authority !== undefined) ? AUTHORISED_SQL : SQL),
  encode: ({ agent, authority, operationId }) => ({
    agentId: agent.agentId,
    role: agent.role,
    ...encodeCapabilities(agent.capabilities),
    maxConcurrentTasks: agent.maxConcurrentTasks,
    heartbeatTimeoutSeconds: agent.heartbeatTimeoutSeconds ?? null,
    metadata: agent.metadata === undefined ? null : itemJson(agent.metadata),
    operationId,
    actor: actorOf(agent.agentId),
    authority: encodeAuthority(agent, authority),
  }),
  decode(result, items) {
    const rows = result.byItem<AgentRow & { item: number }>(1);
    const outcomes = outcomeRows<RegisteredRow>(result, items);
    return items.map(({ agent }, item) => {
      const { code, created } = outcomes[item] ?? { code: null, created: false };
      if (code !== null) return { refusal: registrationRefusal(code, agent) };
      const row = rows.get(item)?.[0];
      if (row === undefined) throw new Error("the registered agent's row was not returned");
      return { value: { agent: readAgent(row), created: Boolean(created) } };
    });
  },
  maxItems: 50,
  conflictKey: ({ agent }) => agent.agentId,
};

/**
 * Creates, or updates and reactivates; then hands waiting work to a worker that has room.
 *
 * @throws AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN, IDEMPOTENCY_MISMATCH, UNAUTHENTICATED, as the authority has it
 */
export async function registerAgent(
  connection: Connection,
  agent: RegisterAgent,
  authority?: RegistrationAuthority,
): Promise<{ agent: Agent; created: boolean }> {
  return connection.run(REGISTER, { agent, authority, operationId: newId(connection.clock.now()) });
}
