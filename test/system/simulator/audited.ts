import { verifyAudit } from "../../../src/lib/domain/audit/audit-verification.ts";
import { sourceOf } from "../../contract/security/audit-blocks.ts";
import type { Scene } from "../../contract/support.ts";

/** The chain of the audit is sound. That it tells what the histories of tasks tell is a law of recount.ts. */
export async function checkAudit(scene: Scene): Promise<void> {
  const { problems, entries } = await verifyAudit(sourceOf(scene.store), { all: true });
  if (problems.length > 0 || entries === 0)
    throw new Error(`the audit has ${entries} entries: ${JSON.stringify(problems)}`);
}
