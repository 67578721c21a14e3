import { parseArgs } from "node:util";
import { AgentClient } from "../../src/client/index.ts";
import { systemClock } from "../../src/lib/model/clock.ts";
import { newId } from "../../src/lib/model/ids.ts";

/**
 * npm run deploy:smoke -- --url https://<app>/api [--agent smoke-test]      (AGENT_COMMUNICATION_TOKEN: that agent's token)
 *
 * After a deployment: the app is healthy, so it has reached the database as itself; and, with a token, one message is sent,
 * received and completed. What it makes is one agent and one message, which maintenance clears away.
 */

/** A deployment is seen by the first instances within a minute or two. */
const HEALTHY_MILLISECONDS = 180_000;
const ASK_AGAIN_MILLISECONDS = 5_000;

async function waitUntilHealthy(client: AgentClient): Promise<void> {
  const end = systemClock.now() + HEALTHY_MILLISECONDS;
  for (;;) {
    let said: string;
    try {
      const { status, checks } = await client.health();
      if (status === "healthy") return;
      said = JSON.stringify(checks);
    } catch (error) {
      said = error instanceof Error ? error.message : String(error);
    }
    if (systemClock.now() > end) throw new Error(`not healthy after ${HEALTHY_MILLISECONDS / 1_000} s: ${said}`);
    await systemClock.sleep(ASK_AGAIN_MILLISECONDS);
  }
}

async function sendReceiveComplete(client: AgentClient, agentId: string): Promise<void> {
  await client.registerAgent({ agentId, role: "worker", capabilities: [], maxConcurrentTasks: 0 });
  const messageId = newId(systemClock.now());
  // A type of its own, so that nothing else in the mailbox is touched.
  const type = "smoke_test";
  await client.sendMessage({ messageId, sender: agentId, receiver: agentId, type, payload: {}, ttlSeconds: 600 });
  const { messages } = await client.receiveMessages(agentId, { types: [type], maxMessages: 50, waitSeconds: 10 });
  for (const { messageId: received, attempt } of messages) {
    await client.completeMessage(received, { agentId, attempt });
  }
  const { status } = await client.getMessage(messageId);
  if (status !== "completed") throw new Error(`the message ${messageId} is ${status}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { url: { type: "string" }, agent: { type: "string", default: "smoke-test" } },
  });
  const baseUrl = values.url ?? process.env.API_URL;
  if (baseUrl === undefined) throw new Error("where is it? --url https://<app>/api");
  const token = process.env.AGENT_COMMUNICATION_TOKEN;
  const client = new AgentClient({ baseUrl, ...(token && { token }) });
  await waitUntilHealthy(client);
  console.log(`${baseUrl}: healthy`);
  const local = ["127.0.0.1", "localhost"].includes(new URL(baseUrl).hostname);
  if (token === undefined && !local) {
    console.log("no message was sent: AGENT_COMMUNICATION_TOKEN is not set");
    return;
  }
  await sendReceiveComplete(client, values.agent);
  console.log(`${baseUrl}: a message was sent, received and completed`);
}

main().catch((error: unknown) => {
  console.error(`smoke: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
