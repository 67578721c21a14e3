import type { Caller } from "../lib/gates/caller.ts";
import { OWN_PATH } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import { EVERYBODY } from "./allowed-callers.ts";
import { TOKEN } from "./examples.ts";

/** An agent and the token that it shows. An admin, too, does this for itself alone: for others it issues tokens. */

const ITS_OWN = { roles: { worker: "own", supervisor: "own", observer: "own", admin: "own" }, own: OWN_PATH } as const;

export const getOwnToken = defineRoute({
  key: "GET /token",
  name: "getOwnToken",
  summary: "Reads the token that the request presents",
  description:
    "Returns its agent, its expiry and its bounds, not the token itself. `403` when the request presents no token of an agent.",
  example: { reply: TOKEN },
  idle: false,
  allow: EVERYBODY,
  statuses: [200],
  async handler(services, { caller }) {
    return { status: 200, body: await services.credentials.get(tokenOf(caller)) };
  },
});

export const renewToken = defineRoute({
  key: "POST /agents/{agentId}/token",
  name: "renewToken",
  summary: "Renews the token that the request presents",
  description:
    "The reply shows the new token, this once. The old one stays valid until the new one is first used, so a lost answer loses nothing. An agent may renew 20 times at once and then 6 times a minute; `429` beyond that.",
  example: {
    body: {},
    reply: {
      credential: { ...TOKEN, credentialId: "01890a5d-ac96-774b-bcce-b302099a8058", renews: TOKEN.credentialId },
      token: "agt_…",
    },
  },
  idle: false,
  allow: ITS_OWN,
  statuses: [201],
  changesRights: true,
  async handler(services, { caller, params }) {
    const credentialId = tokenOf(caller);
    refuseBreeding(services.renewals.take(params.agentId));
    return { status: 201, body: await services.credentials.renew(credentialId) };
  },
});

/** The id of the token that was shown. @throws FORBIDDEN when the caller has proved itself by something else, or by nothing */
function tokenOf(caller: Caller): string {
  if (caller.kind === "agent" && caller.credential === "token") return caller.credentialId;
  const detail = "This route needs the token of an agent, and the request presents none.";
  throw new AgentCommunicationError("FORBIDDEN", detail);
}

/**
 * Up to five renewals of a token may be in use at once, and each of them can renew again: without a limit a stolen token makes a hundred a
 * second, faster than anybody revokes them.
 *
 * @param seconds until the agent may renew again; 0: now
 * @throws RATE_LIMITED
 */
function refuseBreeding(seconds: number): void {
  if (seconds === 0) return;
  const detail = "The agent renews its tokens too often; wait as long as Retry-After says.";
  throw new AgentCommunicationError("RATE_LIMITED", detail, { retryAfterSeconds: seconds });
}
