import { printable } from "../../model/printable.ts";
import type { Metrics } from "../../model/statistics.ts";

/** `GET /metrics` for scrapers: https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0. */

const PLAIN = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** What `GET /metrics` can be, in the order in which we like it. */
const OFFERS = [
  { type: "application/json", contentType: undefined },
  { type: "application/openmetrics-text", contentType: OPEN_METRICS },
  { type: "text/plain", contentType: PLAIN },
] as const;

interface MediaRange {
  type: string;
  quality: number;
}

/** `text/plain;version=0.0.4;q=0.5, application/json` as ranges; what is no quality below 1 counts as 1. */
function rangesOf(accept: string): MediaRange[] {
  return accept
    .toLowerCase()
    .split(",")
    .map((range) => {
      const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
      const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return {
        type,
        quality: given !== undefined && /^0(?:\.\d{0,3})?$/.test(given) ? Number(given) : 1,
      };
    });
}

/** How much an Accept header wants a type, and how closely it names it: 2 by name, 1 by its first half, 0 by the wildcard. */
function wanted(type: string, ranges: readonly MediaRange[]): { quality: number; closeness: number } {
  const names = ["*/*", `${type.slice(0, type.indexOf("/"))}/*`, type];
  for (const closeness of [2, 1, 0]) {
    // Several versions of one format may be named: the best of them counts.
    const qualities = ranges.filter((range) => range.type === names[closeness]).map(({ quality }) => quality);
    if (qualities.length > 0) return { quality: Math.max(...qualities), closeness };
  }
  return { quality: 0, closeness: 0 };
}

/**
 * The text format that an Accept header prefers, or undefined when JSON is the answer: to no header, to one that takes anything or nothing
 * that we have, and to that of axios, which names JSON first and text as well. By quality, then by what is named more closely
 * (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1).
 */
export function prometheusContentType(accept: string | undefined): string | undefined {
  const ranges = rangesOf(accept ?? "*/*");
  let best: { quality: number; closeness: number; contentType: string | undefined } = {
    quality: 0,
    closeness: -1,
    contentType: undefined,
  };
  for (const { type, contentType } of OFFERS) {
    const { quality, closeness } = wanted(type, ranges);
    const better = quality > best.quality || (quality > 0 && quality === best.quality && closeness > best.closeness);
    if (better) best = { quality, closeness, contentType };
  }
  return best.contentType;
}

interface Sample {
  labels?: Record<string, string>;
  value: number;
}

/** As the format has it. Our values come from closed sets of states and roles; this is for the day that one does not. */
export function escapedLabel(value: string): string {
  return printable(value.replaceAll(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`)));
}

/** One family. All are gauges: retention lowers the counts of rows, which a counter may not do. */
function family(name: string, help: string, samples: readonly Sample[]): string {
  const full = `agent_communication_${name}`;
  const lines = samples.map(({ labels = {}, value }) => {
    const text = Object.entries(labels).map(([label, labelValue]) => `${label}="${escapedLabel(labelValue)}"`);
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
  const { usage } = coordination.metrics;
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
    family("tasks_failed", "Tasks that failed permanently.", [{ value: coordination.metrics.tasksFailed }]),
    family("tasks_not_needed", "Tasks whose condition could no longer hold.", [
      { value: coordination.metrics.tasksNotNeeded },
    ]),
    family("task_attempts_failed", "Attempts that their agents reported as failed.", [
      { value: coordination.metrics.attemptsFailed },
    ]),
    family("task_attempts_lost", "Attempts lost by silence or timeout, or released.", [
      { value: coordination.metrics.attemptsLost },
    ]),
    family("usage_tokens", "Tokens of models that attempts have reported so far, by type.", [
      { labels: { type: "input" }, value: usage.inputTokens },
      { labels: { type: "output" }, value: usage.outputTokens },
      { labels: { type: "cache_read_input" }, value: usage.cacheReadInputTokens },
      { labels: { type: "cache_write_input" }, value: usage.cacheWriteInputTokens },
      { labels: { type: "reasoning_output" }, value: usage.reasoningOutputTokens },
    ]),
    family("usage_cost_micros", "What these have cost, as reported, in millionths of a US dollar.", [
      { value: usage.costMicros },
    ]),
    family("task_completion_ratio", "Completed per assigned task.", [{ value: performance.taskCompletionRate }]),
    family("task_error_ratio", "Failed per assigned task.", [{ value: performance.errorRate }]),
  ];
  return families.join("") + (contentType === OPEN_METRICS ? "# EOF\n" : "");
}
