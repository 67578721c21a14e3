import type { GiveBack } from "../store.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** Calls in one batch. */
const MAX_ITEMS = 64;

/** The attempt stays used, for it is the fencing number; so there is one more. */
const GIVE_BACK_SQL = procedure("give_back_messages");

const GIVE_BACK: Batch<GiveBack, undefined> = {
  name: "give-back-messages",
  sql: GIVE_BACK_SQL,
  encode: ({ agentId, messages, delayMilliseconds }) => ({
    agent_id: agentId,
    delay: Math.ceil(delayMilliseconds),
    messages: messages.map(({ messageId, attempt }) => ({ message_id: messageId, attempt })),
  }),
  decode: (_, calls) => calls.map(() => ({ value: undefined })),
  maxItems: MAX_ITEMS,
};

/** Returns leased messages that their receiver has not seen, to be due after a delay. It wakes nobody: nothing is due now. */
export function giveBackMessages(connection: Connection, giveBack: GiveBack): Promise<void> {
  return connection.run(GIVE_BACK, giveBack);
}
