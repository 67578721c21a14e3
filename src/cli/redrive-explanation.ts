import type { AgentClient } from "../client/agent-client.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import type { DeadLetterFilter } from "../lib/model/message.ts";
import { channelOf } from "../lib/model/values.ts";

/** Why a redrive moved less than was asked for, in sentences: `count 0` alone sends people looking in the wrong place. */

/** Each message is one call. */
const EXPLAINED_MAX = 20;

/** What was asked for, and how many messages were moved. */
export interface Redriven {
  messageIds?: readonly string[];
  filter?: DeadLetterFilter;
  count: number;
}

/** @returns sentences; none where everything that was named has moved */
export async function explainRedrive(client: AgentClient, { messageIds, filter, count }: Redriven): Promise<string[]> {
  if (messageIds !== undefined) {
    const asked = new Set(messageIds);
    return count >= asked.size ? [] : explainIds(client, [...asked], count);
  }
  return count > 0 ? [] : [await explainFilter(client, filter ?? {})];
}

async function explainIds(client: AgentClient, messageIds: readonly string[], count: number): Promise<string[]> {
  const found = await Promise.all(messageIds.slice(0, EXPLAINED_MAX).map((messageId) => explainId(client, messageId)));
  const sentences = found.filter((sentence) => sentence !== undefined);
  if (sentences.length > 0) return sentences;
  return [`${messageIds.length - count} of the ${messageIds.length} messages were not dead letters.`];
}

/** @returns undefined for a message that waits or is being handled: that is where a redrive leads */
async function explainId(client: AgentClient, messageId: string): Promise<string | undefined> {
  try {
    const { status, receiver } = await client.getMessage(messageId);
    if (status === "dead_lettered") return `${messageId} stays: ${await whyItStays(client, receiver)}.`;
    return status === "queued" || status === "leased" ? undefined : `${messageId} is ${status}, not dead-lettered.`;
  } catch (error) {
    if (isAgentCommunicationError(error, "MESSAGE_NOT_FOUND")) return `There is no message ${messageId}.`;
    throw error;
  }
}

async function whyItStays(client: AgentClient, receiver: string): Promise<string> {
  if (channelOf(receiver) !== undefined) return `the channel ${receiver} is deleted, or its mailbox has no room`;
  const { status } = await client.getAgent(receiver);
  if (status === "deregistered") return `its receiver ${receiver} is deregistered`;
  return `the mailbox of its receiver ${receiver} has no room`;
}

async function explainFilter(client: AgentClient, { before, ...filter }: DeadLetterFilter): Promise<string> {
  const { messages } = await client.listDeadLetters({ ...filter, limit: 1 });
  const [newest] = messages;
  if (newest === undefined) return "No dead letter matches.";
  if (before !== undefined && newest.endedAt !== undefined && newest.endedAt >= before) {
    return `No dead letter from before ${before} could be redriven; the newest that matches was dead-lettered at ${newest.endedAt}.`;
  }
  return `Dead letters match, but their receivers (${newest.receiver} for one) are deregistered, or their mailboxes have no room: register them, let them catch up, or purge.`;
}
