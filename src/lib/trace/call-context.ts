import { AsyncLocalStorage } from "node:async_hooks";
import type { AgentRole } from "../model/agent.ts";
import type { CredentialKind } from "../model/credential-kind.ts";
import { processorWatch } from "./processor-watch.ts";

/**
 * On whose behalf the code runs: what a store writes beside what it was asked to (the audit's actor, a message's verified
 * sender). It travels beside the arguments, because it is the same for everything that a call does and no verb decides by
 * it; who may do what has been decided before.
 */

/** The actor of what no caller asked for: timers, hand-outs, what follows from an ending. No agent can have this id. */
export const SYSTEM_ACTOR = "system";
/** A caller that no request names: ids begin with a letter or digit, so no agent can have this one either. */
export const UNNAMED_ACTOR = "*";

/** One call. */
export interface CallContext {
  /** The agent that calls, `system`, or `*` for a caller without a name. */
  actor: string;
  /** The verified role; absent where nobody proves anything. */
  role?: AgentRole | undefined;
  credential: CredentialKind;
  /** Which credential it was; absent in authentication mode `none`. */
  credentialId?: string | undefined;
  /** Length of its request, where there is one. */
  bytes?: number | undefined;
  /** Notes milliseconds of the processor that work for the call has taken, for which the caller is charged. */
  spend?: ((milliseconds: number) => void) | undefined;
  /** True for a reader who is not shown contents: then nothing is decrypted either, and no key is needed. */
  withoutContents?: boolean;
  /** Asks again whether the caller may do this, before a call that has waited goes on; its role is the new one then. @throws when it may not */
  confirm?: (() => Promise<unknown>) | undefined;
}

const storage = new AsyncLocalStorage<CallContext>();

const SYSTEM: CallContext = { actor: SYSTEM_ACTOR, credential: "none" };

/**
 * Runs `run`, and whatever it starts, on behalf of `context`.
 *
 * @example
 * await actingAs({ actor: "lead", role: "supervisor", credential: "token" }, () => store.assignTask(task));
 */
export function actingAs<Result>(context: CallContext, run: () => Result): Result {
  return storage.run(context, run);
}

/** On whose behalf this runs: `system` outside of `actingAs`. */
export function currentCall(): CallContext {
  return storage.getStore() ?? SYSTEM;
}

/**
 * Who answers for a change: whoever makes the call; where nobody said who that is (embedded use), the agent that the call
 * itself names, or else the switchboard.
 */
export function actorOf(named: string = SYSTEM_ACTOR, call: CallContext = currentCall()): string {
  return call.actor === SYSTEM_ACTOR ? named : call.actor;
}

/**
 * Does what may take milliseconds of the processor, at the expense of the caller.
 *
 * @param work waits for nothing: its time would be that of others
 * @example
 * const planned = charged(() => planWorkflow(workflow, newId));
 */
export function charged<Result>(work: () => Result): Result {
  const elapsed = processorWatch();
  try {
    return work();
  } finally {
    currentCall().spend?.(elapsed());
  }
}
