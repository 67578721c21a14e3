import type { Assignable } from "../src/client/index.ts";

/** What the supervisor hands out, and to whom it can go. */

/** Five workers with different capabilities; each capability is there at least twice, so that one of them may die. */
export const WORKERS = [
  { agentId: "cartographer", capabilities: ["inventory", "markdown"] },
  { agentId: "librarian", capabilities: ["inventory", "text", "report"] },
  { agentId: "proofreader", capabilities: ["markdown", "text"] },
  { agentId: "auditor", capabilities: ["dependencies", "markdown"] },
  { agentId: "editor", capabilities: ["dependencies", "text", "report"] },
] as const;

export const SUPERVISOR = "project-lead";

/**
 * Ends the ids of tasks, so that the demo can be run again on a database that remembers the last time; empty for a database
 * of its own. The first process sets it, the others inherit it.
 */
process.env.AGENT_DEMO_RUN ??= process.env.AGENT_COMMUNICATION_MODE === "sql" ? `${Date.now()}` : "";
const RUN = process.env.AGENT_DEMO_RUN;

/** The id of a task in this run. */
export const taskIdOf = (name: string): string => (RUN === "" ? name : `${name}.${RUN}`);

/** The first attempt at this task stops at half and waits to be killed, so that the kill hits the middle of real work. */
export const INTERRUPTED_TASK = taskIdOf("duplicates");

/** What every task of the demo gets. */
export interface DemoParameters {
  folder: string;
  /** The part of the files that is this task's, from 1. */
  part: number;
  parts: number;
}

const MARKDOWN_PARTS = 2;
const TIMEOUT_SECONDS = 60;

/** In the order of their assignment: a task may only depend on one that is there. */
export function planTasks(folder: string): (Assignable & { taskId: string })[] {
  const task = (name: string, taskType: string, capability: string, part = 1, parts = 1) => ({
    taskId: taskIdOf(name),
    taskType,
    description: `${taskType} of ${folder}${parts > 1 ? `, part ${part} of ${parts}` : ""}`,
    parameters: { folder, part, parts },
    requiredCapabilities: [capability],
    timeoutSeconds: TIMEOUT_SECONDS,
    maxRetries: 5,
  });
  const parts = Array.from({ length: MARKDOWN_PARTS }, (_, index) => index + 1);
  const analyses = [
    { ...task("duplicates", "duplicates", "text"), priority: "high" as const },
    task("dependencies", "dependencies", "dependencies"),
    ...parts.map((part) => task(`links-${part}`, "links", "markdown", part, MARKDOWN_PARTS)),
    ...parts.map((part) => task(`readability-${part}`, "readability", "text", part, MARKDOWN_PARTS)),
  ].map((analysis) => ({ ...analysis, dependsOn: [taskIdOf("inventory")] }));
  return [
    task("inventory", "inventory", "inventory"),
    ...analyses,
    {
      ...task("report", "report", "report"),
      dependsOn: [taskIdOf("inventory"), ...analyses.map(({ taskId }) => taskId)],
    },
  ];
}
