import { PermanentError, Worker } from "../src/client/index.ts";
import { stopOnSignals } from "../src/client/worker-signals.ts";
import { client } from "./settings.ts";

/**
 * A backend worker: up to three tasks at a time, progress on the way, an early end when a task is cancelled. Ctrl-C or
 * SIGTERM lets it finish what it has.
 *
 * node examples/backend-worker.ts
 */

const worker = new Worker({
  client,
  agentId: "backend_worker_001",
  capabilities: ["python", "fastapi", "database", "api_development"],
  maxConcurrentTasks: 3,
  handle: async (task, { signal, progress }) => {
    const { parameters } = task;
    if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters)) {
      // The same task would come again with the same parameters: a retry cannot help.
      throw new PermanentError("parameters must be an object");
    }
    const endpoints = Array.isArray(parameters.endpoints) ? parameters.endpoints.map(String) : [];
    const files: string[] = [];
    for (const [index, endpoint] of endpoints.entries()) {
      signal.throwIfAborted();
      files.push(`app/routes/${endpoint.toLowerCase().replaceAll(/[^a-z]+/g, "_")}.py`);
      await progress((100 * (index + 1)) / endpoints.length, endpoint);
    }
    return { framework: "fastapi", files };
  },
  onEvent: (event) => console.log("taskId" in event ? `${event.type} ${event.taskId}` : event.type),
});
await worker.start();
await stopOnSignals(worker);
