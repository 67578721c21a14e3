import type { RequestParts } from "../gates/access.ts";
import type { Caller } from "../gates/caller.ts";
import { type CallContext, UNNAMED_ACTOR } from "../trace/call-context.ts";

/** On whose behalf a handler runs. */

/** Where a request names the agent that it comes from, the surest first. */
const NAMED: readonly (readonly [keyof RequestParts, string])[] = [
  ["body", "sender"],
  ["body", "supervisor"],
  ["body", "agentId"],
  ["params", "agentId"],
];

function named(parts: RequestParts): string {
  for (const [part, name] of NAMED) {
    const value: unknown = parts[part];
    const id: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
    if (typeof id === "string") return id;
  }
  return UNNAMED_ACTOR;
}

/** The verified agent where there is one; otherwise whom the request names, unless that is somebody else. */
export function callContextOf(caller: Caller, parts: RequestParts, namesOthers = false): CallContext {
  if (caller.kind === "agent") {
    const { agentId, role, credential, credentialId } = caller;
    return { actor: agentId, role, credential, credentialId };
  }
  return { actor: namesOthers ? UNNAMED_ACTOR : named(parts), credential: "none" };
}
