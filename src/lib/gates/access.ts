import type { AgentRole } from "../model/agent.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { Caller } from "./caller.ts";
import { isWithheld } from "./withhold.ts";

/**
 * Who may call a route, declared beside it in the route table. What is not declared is refused, and one function decides:
 * `reachOf` for the role, and the route's own rule for the object.
 */

/**
 * How far a role reaches on a route.
 *
 * - `any`: whatever the request names.
 * - `own`: only what the route's `own` rule says is the caller's.
 * - `without contents`: whatever the request names, but payloads, parameters, results and free texts are withheld.
 */
export const REACHES = ["any", "own", "without contents"] as const;
export type Reach = (typeof REACHES)[number];

/** What a rule about objects looks at: the parsed request. */
export interface RequestParts {
  params: unknown;
  query: unknown;
  body: unknown;
}

/**
 * What "own" means on a route. Either it refuses, or it returns the request as it may go on, which a list narrows to what
 * is the caller's.
 *
 * `Needs` is what it reads to decide; a rule that looks at the request alone needs nothing.
 */
export interface OwnRule<Needs> {
  /** For the table in the docs: "the sender is the caller". */
  says: string;
  check(caller: OwnCaller, parts: RequestParts, needs: Needs): RequestParts | Promise<RequestParts>;
}

/** The part of a verified caller that a rule about objects may look at. */
export interface OwnCaller {
  agentId: string;
  role: AgentRole;
}

/** Who may call a route: each role that may, with its reach. */
export interface Access<Needs> {
  roles: Readonly<Partial<Record<AgentRole, Reach>>>;
  /** There exactly when a role's reach is `own`. */
  own?: OwnRule<Needs>;
  /** True where an enrolment key will do: registering. */
  enrolment?: true;
}

/** No credential needed. */
export const ANYONE = "anyone";

/** What a route declares. */
export type Allow<Needs> = Access<Needs> | typeof ANYONE;

/** How far this caller reaches on a route that allows `allow`. @throws UNAUTHENTICATED, FORBIDDEN */
export function reachOf(allow: Allow<never>, caller: Caller): Reach {
  if (allow === ANYONE) return "any";
  switch (caller.kind) {
    case "believed":
      return "any";
    case "anonymous":
      throw new AgentCommunicationError(
        "UNAUTHENTICATED",
        "The request needs a credential: Authorization: Bearer <token>.",
      );
    case "enrolment":
      if (allow.enrolment) return "any";
      throw new AgentCommunicationError("FORBIDDEN", "An enrolment key can only register new agents.");
    case "agent": {
      const reach = allow.roles[caller.role];
      if (reach !== undefined) return reach;
      throw new AgentCommunicationError("FORBIDDEN", `The role ${caller.role} may not do this.`);
    }
  }
}

/** A filter on what is withheld would confirm a guess of it. @throws FORBIDDEN */
function refuseWithheldFilters(query: unknown): void {
  if (typeof query !== "object" || query === null) return;
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || !isWithheld(name)) continue;
    throw new AgentCommunicationError("FORBIDDEN", `The caller may not read ${name}, so it cannot filter by it.`);
  }
}

/**
 * Decides whether the caller may do what the request asks. Everything that may be done over HTTP comes through here.
 *
 * @returns how far it reaches, and the request as it may go on
 * @throws UNAUTHENTICATED, FORBIDDEN; where even the existence of what is not the caller's is none of its business, the
 * refusal of what does not exist
 */
export async function authorise<Needs>(
  allow: Allow<Needs>,
  caller: Caller,
  parts: RequestParts,
  needs: Needs,
): Promise<{ reach: Reach; parts: RequestParts }> {
  const reach = reachOf(allow, caller);
  if (reach === "without contents") refuseWithheldFilters(parts.query);
  if (reach !== "own" || allow === ANYONE || caller.kind !== "agent") return { reach, parts };
  // A reach of `own` without a rule is a mistake in the table, which a test finds; here it refuses.
  if (allow.own === undefined)
    throw new AgentCommunicationError("FORBIDDEN", "The caller may only do this to what is its own.");
  return { reach, parts: await allow.own.check(caller, parts, needs) };
}
