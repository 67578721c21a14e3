import { AgentClient, Worker } from "../../../src/client/index.ts";
import { stopOnSignals } from "../../../src/client/worker-signals.ts";

/** A worker process for tests: node slow-worker.ts <url> <agentId> <milliseconds of the first attempt> */
const [baseUrl = "", agentId = "", milliseconds = "0"] = process.argv.slice(2);
const client = new AgentClient({ baseUrl });
const worker = new Worker({
  client,
  agentId,
  capabilities: [agentId],
  handle: async (task, { signal }) => {
    if (task.attempt === 1) await client.clock.sleep(Number(milliseconds), signal);
    return { attempt: task.attempt, pid: process.pid };
  },
});
await worker.start();
await stopOnSignals(worker);
