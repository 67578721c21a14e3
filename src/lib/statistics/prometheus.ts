import type { Metrics } from "./statistics.ts";

/** `GET /metrics` for scrapers: https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0. */

const PLAIN = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** The text format that an Accept header names, or undefined when JSON is the answer. */
export function prometheusContentType(accept: string | undefined): string | undefined {
  const named = accept?.toLowerCase() ?? "";
  if (named.includes("openmetrics")) return OPEN_METRICS;
  return named.includes("text/plain") ? PLAIN : undefined;
}

interface Sample {
  labels?: Record<string, string>;
  value: number;
}

/** One family. All are gauges: retention lowers the counts of rows, which a counter may not do. */
function family(name: string, help: string, samples: readonly Sample[]): string {
  const full = `agent_communication_${name}`;
  const lines = samples.map(({ labels = {}, value }) => {
    // Label values come from closed sets of states and roles, so nothing needs escaping.
    const text = Object.entries(labels).map(([label, labelValue]) => `${label}="${labelValue}"`);
    return `${full}${text.length === 0 ? "" : `{${text.join(",")}}`} ${value}`;
  });
  return [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, ...lines, ""].join("\n");
}

function byLabel(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([labelValue, value]) => ({ labels: { [label]: labelValue }, value }));
}

/** `metrics` in the text format of `contentType`, which prometheusContentType gave. */
export function prometheusText(metrics: Metrics, contentType: string): string {
  const { queue, registry, coordination, performance } = metrics;
  const families = [
    family("messages", "Messages kept, by status.", byLabel("status", queue.byStatus)),
    family("messages_per_minute", "Messages accepted in the last 60 s.", [{ value: queue.messagesPerMinute }]),
    family("oldest_message_age_seconds", "Age of the longest waiting message.", [{ value: queue.oldestAgeSeconds }]),
    family("agents", "Agents that are not deregistered, by role.", byLabel("role", registry.byRole)),
    family("active_agents", "Agents that are active.", [{ value: registry.activeAgents }]),
    family("average_load_ratio", "Mean load of active workers with capacity.", [{ value: registry.averageLoad }]),
    family("tasks", "Tasks kept, by status.", byLabel("status", coordination.byStatus)),
    family("tasks_assigned", "Tasks assigned at least once.", [{ value: coordination.metrics.tasksAssigned }]),
    family("tasks_completed", "Tasks completed.", [{ value: coordination.metrics.tasksCompleted }]),
    family("tasks_failed", "Tasks failed for good.", [{ value: coordination.metrics.tasksFailed }]),
    family("task_completion_ratio", "Completed per assigned task.", [{ value: performance.taskCompletionRate }]),
    family("task_error_ratio", "Failed per assigned task.", [{ value: performance.errorRate }]),
  ];
  return families.join("") + (contentType === OPEN_METRICS ? "# EOF\n" : "");
}
