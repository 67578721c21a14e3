import { expect } from "@jest/globals";
import { verifyAudit } from "../../../src/lib/domain/audit/audit-verification.ts";
import type { AuditEntry } from "../../../src/lib/model/audit.ts";
import { auditOf } from "../../contract/security/audit.ts";
import { sourceOf } from "../../contract/security/audit-blocks.ts";
import { everyPage, type Scene } from "../../contract/support.ts";

/**
 * Whatever happened, and however often calls were repeated: the history of every task and the audit tell the same, and the chain is
 * sound.
 */
export async function checkAudit(scene: Scene, taskIds: readonly string[]): Promise<void> {
  const bySubject = new Map<string, AuditEntry[]>();
  for (const entry of await auditOf(scene, { subjectKind: "task" })) {
    const entries = bySubject.get(entry.subjectId) ?? [];
    bySubject.set(entry.subjectId, [...entries, entry]);
  }
  for (const taskId of taskIds) {
    const events = (await everyPage((page) => scene.store.getTaskHistory(taskId, page))).reverse();
    const audited = bySubject.get(taskId) ?? [];
    expect(audited.map(({ action, detail }) => [action, detail.attempt, detail.agentId])).toEqual(
      events.map(({ event, attempt, agentId }) => [`task.${event}`, attempt, agentId]),
    );
  }
  const { problems, entries } = await verifyAudit(sourceOf(scene.store), { all: true });
  expect(problems).toEqual([]);
  expect(entries).toBeGreaterThan(0);
}
