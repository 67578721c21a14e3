import { z } from "zod";
import type { AgentRole } from "../lib/agents/agent.ts";
import { idSchema } from "../lib/values.ts";

/** What several resources' routes share: the parameters of their paths and who may call. */

export const agentParams = z.strictObject({ agentId: idSchema });
export const messageParams = z.strictObject({ messageId: idSchema });
export const taskParams = z.strictObject({ taskId: idSchema });

/** A body that carries nothing: absent or `{}`. */
export const emptyBody = z.strictObject({});

/** Every role, for what an agent does to or reads about itself. */
export const EVERY_ROLE = ["worker", "supervisor", "observer", "admin"] as const satisfies readonly AgentRole[];
/** Roles that have a mailbox and send. */
export const MAILBOX_ROLES = ["worker", "supervisor", "admin"] as const satisfies readonly AgentRole[];
/** Roles that read the registry and the statistics. */
export const READER_ROLES = ["supervisor", "observer", "admin"] as const satisfies readonly AgentRole[];
/** Roles that hand out work. */
export const ASSIGNER_ROLES = ["supervisor", "admin"] as const satisfies readonly AgentRole[];
/** Roles that carry work out. */
export const WORK_ROLES = ["worker", "admin"] as const satisfies readonly AgentRole[];
export const ADMIN_ONLY = ["admin"] as const satisfies readonly AgentRole[];
