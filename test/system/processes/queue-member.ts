import { once } from "node:events";
import { readConfig } from "../../../src/lib/config/config.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";

/**
 * A process of its own that is one member of a work queue: it leases, completes and says so, line by line, until it is told
 * to stop. It begins when there is something on its standard input. Writing to a pipe is synchronous, so a line that was
 * printed is an answer that was given, however the process ends.
 *
 * node queue-member.ts <channel> <agentId> <lease in milliseconds> [keep]
 */

export type MemberEvent =
  | { event: "ready" | "stopped"; agentId: string }
  | { event: "leased"; agentId: string; messageId: string; attempt: number; holder: string | undefined; until: number }
  | { event: "completed"; agentId: string; messageId: string; attempt: number; status: string };

const [channel = "", agentId = "", lease = "0", keep] = process.argv.slice(2);
const store = await openStore(readConfig(process.env));
let stopping = false;
process.once("SIGTERM", () => {
  stopping = true;
});

function say(event: MemberEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

async function round(): Promise<void> {
  const claim = { agentId, channel, maxMessages: 3, leaseMilliseconds: Number(lease), maxBytes: 1_048_576 };
  const { messages } = await store.claimMessages(claim);
  for (const { messageId, attempt, holder, leaseExpiresAt } of messages) {
    say({ event: "leased", agentId, messageId, attempt, holder, until: Date.parse(leaseExpiresAt) });
  }
  // One that keeps what it has is killed with it.
  if (keep !== undefined) return await new Promise((resolve) => setTimeout(resolve, 5));
  const settlements = messages.map(({ messageId, attempt }) => ({ messageId, attempt, outcome: "complete" as const }));
  for (const { messageId, status } of await store.settleMessages(agentId, settlements)) {
    const { attempt = 0 } = messages.find((message) => message.messageId === messageId) ?? {};
    say({ event: "completed", agentId, messageId, attempt, status });
  }
  // So that no member has the file for itself.
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** So that the first lease is not over before a server has read the statements for the first time. */
async function rehearse(): Promise<void> {
  const nothing = { agentId, maxMessages: 1, leaseMilliseconds: 1, maxBytes: 1 };
  await store.claimMessages({ ...nothing, channel: "no-such-channel" }).catch(() => undefined);
  await store.settleMessages(agentId, [{ messageId: "no-such-message", attempt: 1, outcome: "complete" }]);
}

await rehearse();
say({ event: "ready", agentId });
await once(process.stdin, "data");
process.stdin.unref();
while (!stopping) await round();
await store.close();
say({ event: "stopped", agentId });
