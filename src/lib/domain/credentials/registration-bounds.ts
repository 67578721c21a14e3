import { AgentCommunicationError } from "../../model/errors.ts";
import { matchesPattern } from "../../model/patterns.ts";

/** What may be registered with a credential: so that a worker is given only the work that it was enrolled for. */

export interface RegistrationBounds {
  /** Capabilities, or with `*` at the end the beginnings of some: `python` does not allow `python@3`, `python@*` does. Absent: any. */
  capabilities?: readonly string[] | undefined;
  /** Absent: any. */
  maxConcurrentTasks?: number | undefined;
}

/**
 * Refuses what is beyond the bounds of the caller's credential, in a registration or a heartbeat.
 *
 * @throws FORBIDDEN
 * @example
 * refuseBeyond({ capabilities: ["python", "review*"] }, { capabilities: ["payroll"] }); // FORBIDDEN
 */
export function refuseBeyond(
  bounds: RegistrationBounds | undefined,
  wanted: { capabilities?: readonly string[] | undefined; maxConcurrentTasks?: number | undefined },
): void {
  const { capabilities: patterns, maxConcurrentTasks: most } = bounds ?? {};
  const { capabilities = [], maxConcurrentTasks = 0 } = wanted;
  const beyond =
    patterns && capabilities.find((capability) => !patterns.some((pattern) => matchesPattern(pattern, capability)));
  if (beyond !== undefined) {
    throw new AgentCommunicationError("FORBIDDEN", `capabilities: this credential does not allow ${beyond}.`);
  }
  if (most !== undefined && maxConcurrentTasks > most) {
    const detail = `maxConcurrentTasks: this credential allows at most ${most}, not ${maxConcurrentTasks}.`;
    throw new AgentCommunicationError("FORBIDDEN", detail);
  }
}
