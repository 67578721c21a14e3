import { writeFile } from "node:fs/promises";
import { type JsonValue, printable, Supervisor, type TaskOutcome } from "../src/client/index.ts";
import { startTelemetry } from "../src/client/telemetry.ts";
import { connect } from "./credentials.ts";
import { planTasks, SUPERVISOR } from "./plan.ts";

/** The supervisor of the demo, a process of its own: node demo/supervisor.ts <url> <folder> <report> */

const [url = "", folder = "", reportFile = ""] = process.argv.slice(2);
const PATIENCE_MILLISECONDS = 90_000;

const client = connect(url);
const supervisor = new Supervisor({
  client,
  agentId: SUPERVISOR,
  capabilities: ["planning"],
  onResult: ({ taskId, status, attempt }) => console.log(`${taskId} is ${status}, at attempt ${attempt}`),
});

function markdownOf(result: JsonValue | undefined): string {
  if (typeof result !== "object" || result === null || Array.isArray(result) || typeof result.markdown !== "string") {
    throw new Error("the report task gave no report");
  }
  return result.markdown;
}

/** Who did what, from the service's own record: also which attempt was lost, and who did the work instead. */
async function howItWasMade(outcomes: readonly TaskOutcome[]): Promise<string> {
  const rows: string[] = [];
  for (const { taskId, status } of outcomes) {
    const { assignments } = await client.getAssignments(taskId);
    const attempts = assignments.map(({ chosen, outcome, assignedAt, endedAt }) => {
      const seconds =
        endedAt === undefined ? "" : ` after ${((Date.parse(endedAt) - Date.parse(assignedAt)) / 1_000).toFixed(1)} s`;
      return `${chosen ?? "nobody"}: ${outcome ?? "under way"}${seconds}`;
    });
    rows.push(`| ${taskId} | ${status} | ${attempts.join("; ")} |`);
  }
  const { metrics } = await supervisor.statistics();
  return [
    "## How this report was made",
    `${outcomes.length} tasks, handed out by ${SUPERVISOR} to five workers by capability and load. One worker was killed on purpose in the middle of its task; the service noticed its silence and gave the task to another. ${metrics.tasksCompleted} of ${metrics.tasksAssigned} assigned tasks were completed.`,
    ["| task | status | attempts |", "| --- | --- | --- |", ...rows].join("\n"),
    "",
  ].join("\n\n");
}

const telemetry = await startTelemetry("demo-supervisor");
await supervisor.start();
const tasks = planTasks(folder);
for (const task of tasks) {
  const { status, assignedTo } = await supervisor.assign(task);
  console.log(`${task.taskId}: ${status}${assignedTo === undefined ? "" : `, given to ${assignedTo}`}`);
}
const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
const outcomes = await supervisor.waitForAll(
  tasks.map(({ taskId }) => taskId),
  { signal },
);
await supervisor.stop();
await telemetry.stop();
const failed = outcomes.filter(({ status }) => status !== "completed");
for (const { taskId, status, error } of failed)
  console.log(`${taskId} ${status}: ${printable(error ?? "no reason given")}`);
if (failed.length > 0) process.exit(1);
const report = markdownOf(outcomes.at(-1)?.result);
await writeFile(reportFile, `${report}\n${await howItWasMade(outcomes)}`);
console.log(`the report is in ${reportFile}`);
