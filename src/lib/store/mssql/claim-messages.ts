import { newId } from "../../model/ids.ts";
import { mailboxOf } from "../channel-reading.ts";
import { asLeased, rankOf } from "../message-reading.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import type { Claim, Claimed } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { actorBeside } from "./audit.ts";
import { type Batch, type BatchResult, bit, type Inputs, type Outcome } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { dependentOf, type ReadableMessageRow, readMessage, readWhole } from "./message-rows.ts";
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
type LeasedRow = ReadableMessageRow & { lease_expires_at: number };
interface Answer {
  leased: readonly LeasedRow[];
  unfinished: boolean;
  inactive: boolean;
  upkeep: boolean;
}

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
      const messages = result.byItem<LeasedRow & { item: number }>(1);
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
  rows: readonly LeasedRow[],
  more: boolean,
): Outcome<Answer> {
  if (row === undefined) throw new Error(`the batch has no outcome for a claim of ${claim.agentId}`);
  if (row.code === "CHANNEL_NOT_FOUND") return { refusal: channelNotFound(claim.channel ?? "") };
  if (row.code !== null) return { refusal: agentRefusal(row.code, claim.agentId) };
  const leased = [...rows].sort((a, b) => rankOf(a) - rankOf(b) || a.arrival - b.arrival);
  const unfinished = more && leased.length < claim.maxMessages;
  return { value: { leased, unfinished, inactive: row.inactive, upkeep: row.upkeep === 1 } };
}

const ONE = procedure("claim_one_mailbox");
const SEVERAL = procedure("claim_messages");

const aloneOfAllTypes = (claims: readonly Item[]): boolean => claims.length === 1 && claims[0]?.types === undefined;

const CLAIM = claimBatch({
  name: "claim-messages",
  sql: (claims) => (aloneOfAllTypes(claims) ? ONE : SEVERAL),
  inputs: (claims): Inputs => (aloneOfAllTypes(claims) ? {} : { tended: bit(false) }),
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
  if (!answer.inactive) return claimedOf(connection, answer);
  await wakeAgent(connection, claim.agentId);
  // Being active again may have brought it work.
  return claimedOf(connection, answer.leased.length > 0 ? answer : await claimOnce(connection, item));
}

async function claimOnce(connection: Connection, item: Item): Promise<Answer> {
  const answer = await connection.run(CLAIM, item);
  return answer.upkeep ? connection.run(TEND_AND_CLAIM, item) : answer;
}

/** Results of dependencies are read apart, in a round trip of their own, which assignments of other tasks do without. */
async function claimedOf(connection: Connection, { leased, unfinished }: Answer): Promise<Claimed> {
  const whole = leased.some((row) => dependentOf(row) !== undefined)
    ? await Promise.all(leased.map((row) => readWhole(connection, row)))
    : leased.map((row) => readMessage(row));
  const messages = whole.map((message, n) => asLeased(message, leased[n]?.lease_expires_at ?? 0));
  return { messages, unfinished };
}
