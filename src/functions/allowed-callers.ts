import type { OwnRule } from "../lib/gates/access.ts";
import type { Services } from "../lib/services.ts";

/** Who may call a route, by role. Roles that are not named are refused. */

type Own = OwnRule<Services>;

export const ADMIN_ONLY = { roles: { admin: "any" } } as const;
/** Reads the registry and the statistics. */
export const READERS = { roles: { supervisor: "any", observer: "without contents", admin: "any" } } as const;
/** Every role, whatever it names: what has neither owner nor contents. */
export const EVERYBODY = { roles: { worker: "any", supervisor: "any", observer: "any", admin: "any" } } as const;

/** As EVERYBODY, for lists that the domain narrows to what the caller may read. */
export const EVERYBODY_WITHOUT_CONTENTS = {
  roles: { worker: "any", supervisor: "any", observer: "without contents", admin: "any" },
} as const;
/** Makes what others then use. */
export const MAKERS = { roles: { supervisor: "any", admin: "any" } } as const;

/** What an agent of any role does to itself. */
export const itself = (own: Own) =>
  ({ roles: { worker: "own", supervisor: "own", observer: "own", admin: "any" }, own }) as const;
/** What those who have a mailbox do with it. */
export const withMailbox = (own: Own) => ({ roles: { worker: "own", supervisor: "own", admin: "any" }, own }) as const;
/** Sending: the sender is always the credential's, that of an admin, too. */
export const sending = (own: Own) => ({ roles: { worker: "own", supervisor: "own", admin: "own" }, own }) as const;
/** Reading messages or tasks. */
export const reading = (own: Own) =>
  ({ roles: { worker: "own", supervisor: "own", observer: "without contents", admin: "any" }, own }) as const;
/** Handing out work. */
export const assigning = (own: Own) => ({ roles: { supervisor: "own", admin: "any" }, own }) as const;
/** Carrying work out. */
export const working = (own: Own) => ({ roles: { worker: "own", admin: "any" }, own }) as const;
