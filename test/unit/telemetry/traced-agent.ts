import { AgentClient, Supervisor, Worker } from "../../../src/client/index.ts";
import { startTelemetry } from "../../../src/client/telemetry.ts";
import { stopOnSignals } from "../../../src/client/worker-signals.ts";

/**
 * An agent's process for tests: node traced-agent.ts worker <url> <agentId>, which does what it is given and tells whoever
 * assigned it by a message of its own; or node traced-agent.ts supervisor <url> <agentId> <content>, which assigns one task,
 * waits for its result and for the message, and prints the id of the task.
 */
const [role = "", baseUrl = "", agentId = "", content = ""] = process.argv.slice(2);
const telemetry = await startTelemetry(`${role}-under-test`);
const client = new AgentClient({ baseUrl });

if (role === "worker") {
  const worker = new Worker({
    client,
    agentId,
    handle: async (task, { client, progress, addUsage, traceparent }) => {
      await progress(50, JSON.stringify(task.parameters));
      await addUsage({ provider: "openai", model: "gpt-5", inputTokens: 70, outputTokens: 7, cacheReadInputTokens: 5 });
      const report = { sender: agentId, receiver: "lead", type: "notification", payload: task.parameters } as const;
      await client.sendMessage(report, { traceparent });
      return task.parameters;
    },
  });
  await worker.start();
  console.log("ready");
  await stopOnSignals(worker);
} else {
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  const supervisor = new Supervisor({ client, agentId, onMessage: () => tell() });
  await supervisor.start();
  const { taskId } = await supervisor.assign({ taskType: "echo", description: content, parameters: { content } });
  await supervisor.waitFor(taskId);
  await told;
  await supervisor.stop();
  console.log(taskId);
}
await telemetry.stop();
