import type { AuditAction, AuditDetail } from "../../model/audit.ts";

/** What a member of a detail is. A member that does not apply is left out. */
type Kind = "text" | "number" | "flag";
type Members = Readonly<Record<string, Kind>>;

const OF_TASK: Members = { attempt: "number", agentId: "text", outcome: "text" };
const OF_CHANNEL: Members = { kind: "text", members: "number", grants: "number" };
const OF_STATUS: Members = { from: "text", to: "text" };

/**
 * What the audit says of each action, beside who did it to what. Both engines obey: the contract suite looks at every entry that
 * it reads. `null`: the caller of recordAudit decides.
 */
export const AUDIT_DETAILS: Readonly<Record<AuditAction, Members | null>> = {
  "agent.registered": { role: "text", status: "text", maxConcurrentTasks: "number" },
  "agent.changed": {
    role: "text",
    maxConcurrentTasks: "number",
    capabilitiesChanged: "flag",
    metadataChanged: "flag",
    heartbeatTimeoutChanged: "flag",
  },
  "agent.status_changed": OF_STATUS,
  "agent.deregistered": OF_STATUS,
  "agent.deleted": {},
  "task.created": OF_TASK,
  "task.assigned": OF_TASK,
  "task.started": OF_TASK,
  "task.progress": OF_TASK,
  "task.requeued": OF_TASK,
  "task.suspended": OF_TASK,
  "task.asked": OF_TASK,
  "task.answered": OF_TASK,
  "task.question_timed_out": OF_TASK,
  "task.cancel_requested": OF_TASK,
  "task.completed": OF_TASK,
  "task.failed": OF_TASK,
  "task.cancelled": OF_TASK,
  "task.reopened": OF_TASK,
  "task.unblocked": OF_TASK,
  "task.usage_reported": OF_TASK,
  "workflow.created": { tasks: "number" },
  "workflow.cancelled": { tasks: "number" },
  "workflow.retried": { tasks: "number" },
  "schedule.put": { supervisor: "text", created: "flag", enabled: "flag" },
  "schedule.deleted": { supervisor: "text" },
  "schedule.triggered": { id: "text" },
  "schedule.disabled": { refusals: "number" },
  "dead_letters.redriven": { receiver: "text" },
  "dead_letters.purged": { receiver: "text" },
  "messages.purged": { count: "number" },
  "message_type.put": { created: "flag" },
  "message_type.deleted": {},
  "message.sent": { sender: "text", receiver: "text", type: "text" },
  "message.received": { attempt: "number", agentId: "text" },
  "message.settled": { attempt: "number", agentId: "text", status: "text" },
  "message.withdrawn": { withdrawn: "number" },
  "credential.issued": { kind: "text", agentId: "text" },
  "credential.used_enrolment": { agentId: "text", tokenId: "text", replaces: "flag" },
  "credential.renewed": { agentId: "text", renews: "text" },
  "credential.revoked": { kind: "text", agentId: "text", renewedBy: "text" },
  "channel.created": OF_CHANNEL,
  "channel.deleted": OF_CHANNEL,
  "channel.member_added": { agentId: "text" },
  "channel.member_removed": { agentId: "text" },
  "channel.grant_changed": { grantee: "text", post: "flag", read: "flag", manage: "flag" },
  "encryption.rotated": { kind: "text", count: "number" },
  "request.refused": null,
  "maintenance.ran": null,
};

const TYPE_OF: Readonly<Record<Kind, string>> = { text: "string", number: "number", flag: "boolean" };

/** The members of a detail that its action does not have, or that are of another kind. */
export function strangeMembers(action: AuditAction, detail: AuditDetail): string[] {
  const members = AUDIT_DETAILS[action];
  if (members === null) return [];
  return Object.entries(detail).flatMap(([name, value]) => {
    const kind = members[name];
    return kind !== undefined && typeof value === TYPE_OF[kind] ? [] : [name];
  });
}
