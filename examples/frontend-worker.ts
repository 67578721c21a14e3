import { Worker } from "../src/client/index.ts";
import { stopOnSignals } from "../src/client/worker-signals.ts";
import { client } from "./settings.ts";

/**
 * A frontend worker: up to two tasks at a time; it also answers queries from other agents.
 *
 * node examples/frontend-worker.ts
 */

const AGENT_ID = "frontend_worker_001";

const worker = new Worker({
  client,
  agentId: AGENT_ID,
  capabilities: ["javascript", "react", "ui_development", "styling"],
  maxConcurrentTasks: 2,
  handle: async (task, { progress }) => {
    await progress(50, "components");
    return { component: `${task.taskType}.jsx`, stylesheet: `${task.taskType}.css` };
  },
  onMessage: async (message) => {
    if (message.type !== "query") return;
    await client.sendMessage({
      // Made from the query's id: should this handler run twice, there is still one answer.
      messageId: `answer-${message.messageId}`,
      sender: AGENT_ID,
      receiver: message.replyTo ?? message.sender,
      type: "response",
      correlationId: message.correlationId ?? message.messageId,
      payload: { framework: "react", busyWith: worker.activeTasks },
    });
  },
  onEvent: (event) => console.log("taskId" in event ? `${event.type} ${event.taskId}` : event.type),
});
await worker.start();
await stopOnSignals(worker);
