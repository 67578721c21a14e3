import { client } from "./settings.ts";

/**
 * Prints a line of performance numbers every few seconds, and warns about what deserves a look.
 *
 * node examples/performance-monitor.ts [seconds between lines = 5] [lines = 12]
 */

const seconds = Number(process.argv[2] ?? 5);
const lines = Number(process.argv[3] ?? 12);

for (let line = 0; line < lines; line++) {
  if (line > 0) await client.clock.sleep(seconds * 1_000);
  const { performance, queue, registry } = await client.metrics();
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  console.log(
    [
      new Date().toISOString(),
      `messages/min ${performance.messageThroughput}`,
      `utilization ${percent(performance.agentUtilization)}`,
      `completed ${percent(performance.taskCompletionRate)}`,
      `errors ${percent(performance.errorRate)}`,
      `oldest ${queue.oldestAgeSeconds.toFixed(0)} s`,
    ].join("  "),
  );
  if (performance.agentUtilization > 0.8) console.log("WARNING: the workers are nearly full; start more of them");
  if (performance.errorRate > 0.05) console.log("WARNING: more than 5 % of the tasks fail");
  if (queue.oldestAgeSeconds > 300) console.log("WARNING: a message has been waiting for more than 5 minutes");
  if (queue.deadLetters > 0)
    console.log(`WARNING: ${queue.deadLetters} dead letters (agent-communication dead-letters list)`);
  if (registry.activeAgents === 0) console.log("WARNING: no agent is active");
}
