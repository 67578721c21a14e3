import type { AgentCommunicationError } from "../../model/errors.ts";
import type { SendMessageReply } from "../../model/message.ts";
import { broadcastTooLarge } from "../channel-reading.ts";
import type { SendRefusal } from "../rules/refusal-orders.ts";
import type { NewMessage } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { actorBeside } from "./audit.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { procedure } from "./procedures.ts";
import { encodeNewMessage, sendRefusalOf } from "./send-messages.ts";

interface PostRow {
  refusal: SendRefusal | "TOO_LARGE" | null;
  repeat_of: string | null;
  depth: number | null;
  share: number | null;
  members: number | null;
  known_hash: string | null;
  /** 1: the sender was inactive. */
  wakes: number;
}

function refusalOf(refusal: SendRefusal | "TOO_LARGE", post: NewMessage, row: PostRow): AgentCommunicationError {
  if (refusal === "TOO_LARGE") return broadcastTooLarge(row.members ?? 0);
  // Who posts need not know who the members are.
  return sendRefusalOf(refusal, post, row, `a member of ${post.receiver}`);
}

const BROADCAST: Batch<NewMessage, SendMessageReply & { wakes: boolean }> = {
  name: "broadcast-message",
  sql: procedure("broadcast_message"),
  encode: (post) => ({
    ...encodeNewMessage(post),
    payloads: [itemJson(post.payload)],
    ...actorBeside(post.sender),
  }),
  decode: (result, posts) =>
    result.rows<PostRow>(0).map((row, position) => {
      const post = posts[position];
      if (post === undefined) throw new Error("an outcome without its post");
      if (row.refusal !== null) return { refusal: refusalOf(row.refusal, post, row) };
      const duplicate = row.repeat_of !== null;
      return { value: { messageId: row.repeat_of ?? post.messageId, duplicate, wakes: row.wakes === 1 } };
    }),
  // Up to a thousand rows each.
  maxItems: 1,
  // Repeats that meet in one process wait for each other; elsewhere the unique index makes the later one try again.
  conflictKey: (post) => post.idempotencyKey ?? post.messageId,
};

/**
 * Copies the message to every member of its channel, deregistered ones left out; all or none. The post is kept as a
 * completed message of the channel's mailbox: by it a repeat is recognised.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND, MAILBOX_FULL, PAYLOAD_TOO_LARGE, ID_TAKEN,
 * IDEMPOTENCY_MISMATCH
 */
export async function broadcastMessage(connection: Connection, post: NewMessage): Promise<SendMessageReply> {
  const { wakes, ...reply } = await connection.run(BROADCAST, post);
  if (wakes) await wakeAgent(connection, post.sender);
  return reply;
}
