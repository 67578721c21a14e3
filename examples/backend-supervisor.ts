import { printableJson, Supervisor } from "../src/client/index.ts";
import { client } from "./settings.ts";

/**
 * A supervisor delegates a comprehensive project with high priority, reads its task id and the coordination
 * statistics, and waits for the result.
 *
 * Start the service (npm start) and a worker (node examples/backend-worker.ts), then: node examples/backend-supervisor.ts
 */

const PATIENCE_MILLISECONDS = 120_000;

const supervisor = new Supervisor({
  client,
  agentId: "backend_supervisor_001",
  capabilities: ["project_management", "code_generation", "task_delegation"],
  maxConcurrentTasks: 10,
  onError: (_error, during) => console.error(`${during} failed for now, and is tried again`),
});
await supervisor.start();

const { taskId, status, assignedTo } = await supervisor.assign({
  taskType: "api_development",
  description: "Build a complete user management system",
  parameters: {
    project: "user management",
    endpoints: ["GET /users", "POST /users", "GET /users/{id}", "DELETE /users/{id}"],
    database: "users(id, email, createdAt)",
  },
  requiredCapabilities: ["python", "api_development"],
  preferredCapabilities: ["fastapi", "database"],
  priority: "high",
  timeoutSeconds: 600,
});
console.log(`task ${taskId}: ${status}${assignedTo === undefined ? ", waiting for a worker" : ` to ${assignedTo}`}`);

const { activeAgents, metrics } = await supervisor.statistics();
console.log(`active agents: ${activeAgents}, tasks assigned: ${metrics.tasksAssigned}`);

const outcome = await supervisor.waitFor(taskId, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
console.log(`task ${taskId}: ${outcome.status}`);
// A worker wrote it: shown so that it cannot act on the terminal.
console.log(printableJson(outcome.result ?? outcome.error, 2));
await supervisor.stop();
process.exitCode = outcome.status === "completed" ? 0 : 1;
