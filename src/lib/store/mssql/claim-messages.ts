import { newId } from "../../model/ids.ts";
import { mailboxOf } from "../channel-reading.ts";
import { asLeased, rankOf } from "../message-reading.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import type { Claim, Claimed, StoredLeasedMessage } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { actorBeside } from "./audit.ts";
import { type Batch, type BatchResult, bit, type Outcome } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { type ReadableMessageRow, readMessage } from "./message-rows.ts";
import { procedure } from "./procedures.ts";

/** Claims in one batch: each may bring a megabyte of messages. */
const MAX_ITEMS = 32;

interface ClaimRow {
  item: number;
  code: AgentRefusalCode | "CHANNEL_NOT_FOUND" | null;
  inactive: boolean;
  upkeep: number;
}

type Item = Claim & { claimId: string };
type Answer = Claimed & { inactive: boolean; upkeep: boolean };

function claimBatch(parts: Pick<Batch<Item, Answer>, "name" | "sql" | "inputs" | "maxItems">): Batch<Item, Answer> {
  return {
    ...parts,
    encode: (claim) => ({
      agent_id: claim.agentId,
      ...actorBeside(claim.agentId),
      ...(claim.channel === undefined ? {} : { channel: claim.channel }),
      max_messages: claim.maxMessages,
      max_bytes: claim.maxBytes,
      lease: Math.ceil(claim.leaseMilliseconds),
      claim_id: claim.claimId,
      types: claim.types === undefined ? null : [...new Set(claim.types)],
    }),
    decode(result: BatchResult, claims) {
      const rows = new Map(result.rows<ClaimRow>(0).map((row) => [row.item, row]));
      const messages = result.byItem<ReadableMessageRow & { item: number; lease_expires_at: number }>(1);
      const unfinished = result.rows<{ unfinished: boolean }>(2)[0]?.unfinished ?? false;
      return claims.map((claim, item) => decodeClaim(claim, rows.get(item), messages.get(item) ?? [], unfinished));
    },
    // Two claims of one mailbox in one batch would take the same heads.
    conflictKey: ({ agentId, channel }) => (channel === undefined ? agentId : mailboxOf(channel)),
  };
}

function decodeClaim(
  claim: Item,
  row: ClaimRow | undefined,
  leased: readonly (ReadableMessageRow & { lease_expires_at: number })[],
  more: boolean,
): Outcome<Answer> {
  if (row === undefined) throw new Error(`the batch has no outcome for a claim of ${claim.agentId}`);
  if (row.code === "CHANNEL_NOT_FOUND") return { refusal: channelNotFound(claim.channel ?? "") };
  if (row.code !== null) return { refusal: agentRefusal(row.code, claim.agentId) };
  const messages: StoredLeasedMessage[] = [...leased]
    .sort((a, b) => rankOf(a) - rankOf(b) || a.arrival - b.arrival)
    .map((message) => asLeased(readMessage(message), message.lease_expires_at));
  const unfinished = more && messages.length < claim.maxMessages;
  return { value: { messages, unfinished, inactive: row.inactive, upkeep: row.upkeep === 1 } };
}

const CLAIM = claimBatch({
  name: "claim-messages",
  sql: procedure("claim_messages"),
  inputs: { tended: bit(false) },
  maxItems: MAX_ITEMS,
});
const TEND_AND_CLAIM = claimBatch({
  name: "tend-and-claim-messages",
  sql: procedure("tend_and_claim_messages"),
  maxItems: 1,
});

/**
 * Leases due messages by rank, then arrival. A claim that meets ended leases or expired messages is sent once more, alone,
 * by the procedure that works them off first.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND
 */
export async function claimMessages(connection: Connection, claim: Claim): Promise<Claimed> {
  const item = { ...claim, claimId: claim.claimId ?? newId(connection.clock.now()) };
  const answer = await claimOnce(connection, item);
  if (!answer.inactive) return claimedOf(answer);
  await wakeAgent(connection, claim.agentId);
  // Being active again may have brought it work.
  return claimedOf(answer.messages.length > 0 ? answer : await claimOnce(connection, item));
}

async function claimOnce(connection: Connection, item: Item): Promise<Answer> {
  const answer = await connection.run(CLAIM, item);
  return answer.upkeep ? connection.run(TEND_AND_CLAIM, item) : answer;
}

function claimedOf({ messages, unfinished }: Answer): Claimed {
  return { messages, unfinished };
}
