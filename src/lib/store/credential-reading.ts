import { z } from "zod";
import { type AgentRole, type AgentStatus, agentRoleSchema } from "../model/agent.ts";
import { CREDENTIAL_USE_MILLISECONDS, type Credential, type IssuedKind } from "../model/credential.ts";
import { DAY_MILLISECONDS, iso } from "./instants.ts";
import type { FoundCredential } from "./store.ts";

/** How the stored columns of a credential read, on both engines. */

/** A credential, with the agent that it belongs to. */
export interface StoredCredential {
  credential_no: number;
  credential_id: string;
  kind: IssuedKind;
  secret_hash: string | null;
  label: string | null;
  created_at: number;
  created_by: string;
  expires_at: number | null;
  revoked_at: number | null;
  last_used_at: number | null;
  roles: string | null;
  agent_id_prefix: string | null;
  max_uses: number | null;
  uses_left: number | null;
  subject: string | null;
  thumbprint: string | null;
  agent_ids: string | null;
  enrolled_by: string | null;
  capabilities: string | null;
  max_concurrent_tasks: number | null;
  idle_days: number | null;
  token_days: number | null;
  renews: string | null;
  agent_id: string | null;
  role: AgentRole | null;
  status: AgentStatus | null;
}

/** Columns of a StoredCredential, for SELECT … FROM credentials AS c LEFT JOIN agents AS a. */
export const CREDENTIAL_COLUMNS = `c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status`;

/**
 * True in SQL for a credential of an agent that is valid at `now`, of a row `c`: as endOf() says.
 *
 * @param now how the statement writes the time, in milliseconds
 */
export function isInForce(now: string): string {
  const lastUse = "COALESCE(c.last_used_at, c.created_at)";
  const idle = `CAST(c.idle_days AS bigint) * ${DAY_MILLISECONDS} + ${CREDENTIAL_USE_MILLISECONDS}`;
  return `c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > ${now})
    AND (c.idle_days IS NULL OR ${lastUse} + ${idle} > ${now})`;
}

const rolesSchema = z.array(agentRoleSchema);
const textsSchema = z.array(z.string());

/** The list that a column holds as JSON text. */
function listOf<Item>(schema: z.ZodType<Item[]>, text: string | null): Item[] {
  return schema.parse(JSON.parse(text ?? "[]"));
}

/** The roles that an enrolment key may give, from its column. */
export function readRoles(text: string | null): AgentRole[] {
  return listOf(rolesSchema, text);
}

function common(row: StoredCredential) {
  return {
    credentialId: row.credential_id,
    ...(row.label !== null && { label: row.label }),
    createdAt: iso(row.created_at),
    createdBy: row.created_by,
    ...(row.expires_at !== null && { expiresAt: iso(row.expires_at) }),
    ...(row.revoked_at !== null && { revokedAt: iso(row.revoked_at) }),
    ...(row.last_used_at !== null && { lastUsedAt: iso(row.last_used_at) }),
    ...(row.idle_days !== null && { idleDays: row.idle_days }),
    ...(row.capabilities !== null && { capabilities: listOf(textsSchema, row.capabilities) }),
    ...(row.max_concurrent_tasks !== null && { maxConcurrentTasks: row.max_concurrent_tasks }),
  };
}

/** The credential as callers see it. */
export function readStoredCredential(row: StoredCredential): Credential {
  switch (row.kind) {
    case "token": {
      const enrolled = row.enrolled_by !== null && { enrolledBy: row.enrolled_by };
      const renewal = row.renews !== null && { renews: row.renews };
      return { kind: "token", ...common(row), agentId: row.agent_id ?? "", ...enrolled, ...renewal };
    }
    case "enrolment":
      return {
        kind: "enrolment",
        ...common(row),
        roles: readRoles(row.roles),
        agentIdPrefix: row.agent_id_prefix ?? "",
        maxUses: row.max_uses ?? 0,
        usesLeft: row.uses_left ?? 0,
        ...(row.token_days !== null && { expiresInDays: row.token_days }),
      };
    case "principal": {
      const scope =
        row.agent_id_prefix === null
          ? { agentIds: listOf(textsSchema, row.agent_ids) }
          : { agentIdPrefix: row.agent_id_prefix };
      return { kind: "principal", ...common(row), objectId: row.subject ?? "", ...scope };
    }
    case "certificate": {
      const bound = row.thumbprint === null ? { subject: row.subject ?? "" } : { thumbprint: row.thumbprint };
      return { kind: "certificate", ...common(row), agentId: row.agent_id ?? "", ...bound };
    }
  }
}

/** The credential with what checking it needs. */
export function readFoundCredential(row: StoredCredential): FoundCredential {
  const { agent_id: agentId, role, status } = row;
  return {
    credential: readStoredCredential(row),
    secretHash: row.secret_hash ?? undefined,
    agent: agentId === null || role === null || status === null ? undefined : { agentId, role, status },
  };
}
