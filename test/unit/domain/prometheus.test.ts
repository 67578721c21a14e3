import { describe, expect, it } from "@jest/globals";
import { prometheusContentType, prometheusText } from "../../../src/lib/domain/statistics/prometheus.ts";
import type { Metrics } from "../../../src/lib/model/statistics.ts";

/** The texts for scrapers, to the letter: what a scraper reads is a contract with every dashboard. */

const PLAIN = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Each number stands once, so that none can stand for another. */
const METRICS: Metrics = {
  queue: {
    totalMessages: 1,
    messagesPerMinute: 2,
    byStatus: { queued: 3, leased: 4, completed: 5, dead_lettered: 6, expired: 31 },
    oldestAgeSeconds: 7.5,
    deadLetters: 8,
  },
  registry: {
    totalAgents: 9,
    activeAgents: 10,
    averageLoad: 0.11,
    byRole: { worker: 12, supervisor: 13, observer: 14, admin: 15 },
  },
  coordination: {
    activeAgents: 16,
    metrics: {
      tasksAssigned: 17,
      tasksCompleted: 18,
      tasksFailed: 19,
      tasksNotNeeded: 23,
      attemptsFailed: 32,
      attemptsLost: 33,
      usage: {
        inputTokens: 34,
        outputTokens: 35,
        cacheReadInputTokens: 36,
        cacheWriteInputTokens: 37,
        reasoningOutputTokens: 38,
        costMicros: 39,
      },
    },
    byStatus: {
      blocked: 20,
      pending: 21,
      assigned: 22,
      running: 23,
      input_required: 31,
      completed: 24,
      failed: 25,
      cancelled: 26,
    },
  },
  performance: { messageThroughput: 27, agentUtilization: 28, taskCompletionRate: 0.29, errorRate: 0.3 },
};

const TEXT = `# HELP agent_communication_messages Messages kept, by status.
# TYPE agent_communication_messages gauge
agent_communication_messages{status="queued"} 3
agent_communication_messages{status="leased"} 4
agent_communication_messages{status="completed"} 5
agent_communication_messages{status="dead_lettered"} 6
agent_communication_messages{status="expired"} 31
# HELP agent_communication_messages_per_minute Messages accepted in the last 60 s.
# TYPE agent_communication_messages_per_minute gauge
agent_communication_messages_per_minute 2
# HELP agent_communication_oldest_message_age_seconds Age of the longest waiting message.
# TYPE agent_communication_oldest_message_age_seconds gauge
agent_communication_oldest_message_age_seconds 7.5
# HELP agent_communication_agents Agents that are not deregistered, by role.
# TYPE agent_communication_agents gauge
agent_communication_agents{role="worker"} 12
agent_communication_agents{role="supervisor"} 13
agent_communication_agents{role="observer"} 14
agent_communication_agents{role="admin"} 15
# HELP agent_communication_active_agents Agents that are active.
# TYPE agent_communication_active_agents gauge
agent_communication_active_agents 10
# HELP agent_communication_average_load_ratio Mean load of active workers with capacity.
# TYPE agent_communication_average_load_ratio gauge
agent_communication_average_load_ratio 0.11
# HELP agent_communication_tasks Tasks kept, by status.
# TYPE agent_communication_tasks gauge
agent_communication_tasks{status="blocked"} 20
agent_communication_tasks{status="pending"} 21
agent_communication_tasks{status="assigned"} 22
agent_communication_tasks{status="running"} 23
agent_communication_tasks{status="input_required"} 31
agent_communication_tasks{status="completed"} 24
agent_communication_tasks{status="failed"} 25
agent_communication_tasks{status="cancelled"} 26
# HELP agent_communication_tasks_assigned Tasks assigned at least once.
# TYPE agent_communication_tasks_assigned gauge
agent_communication_tasks_assigned 17
# HELP agent_communication_tasks_completed Tasks completed.
# TYPE agent_communication_tasks_completed gauge
agent_communication_tasks_completed 18
# HELP agent_communication_tasks_failed Tasks that failed permanently.
# TYPE agent_communication_tasks_failed gauge
agent_communication_tasks_failed 19
# HELP agent_communication_tasks_not_needed Tasks whose condition could no longer hold.
# TYPE agent_communication_tasks_not_needed gauge
agent_communication_tasks_not_needed 23
# HELP agent_communication_task_attempts_failed Attempts that their agents reported as failed.
# TYPE agent_communication_task_attempts_failed gauge
agent_communication_task_attempts_failed 32
# HELP agent_communication_task_attempts_lost Attempts lost by silence or timeout, or released.
# TYPE agent_communication_task_attempts_lost gauge
agent_communication_task_attempts_lost 33
# HELP agent_communication_usage_tokens Tokens of models that attempts have reported so far, by type.
# TYPE agent_communication_usage_tokens gauge
agent_communication_usage_tokens{type="input"} 34
agent_communication_usage_tokens{type="output"} 35
agent_communication_usage_tokens{type="cache_read_input"} 36
agent_communication_usage_tokens{type="cache_write_input"} 37
agent_communication_usage_tokens{type="reasoning_output"} 38
# HELP agent_communication_usage_cost_micros What these have cost, as reported, in millionths of a US dollar.
# TYPE agent_communication_usage_cost_micros gauge
agent_communication_usage_cost_micros 39
# HELP agent_communication_task_completion_ratio Completed per assigned task.
# TYPE agent_communication_task_completion_ratio gauge
agent_communication_task_completion_ratio 0.29
# HELP agent_communication_task_error_ratio Failed per assigned task.
# TYPE agent_communication_task_error_ratio gauge
agent_communication_task_error_ratio 0.3
`;

describe("metrics for scrapers", () => {
  it("are these lines, and in OpenMetrics one more that says where they end", () => {
    expect(prometheusText(METRICS, PLAIN)).toBe(TEXT);
    expect(prometheusText(METRICS, OPEN_METRICS)).toBe(`${TEXT}# EOF\n`);
  });

  it.each<[string | undefined, string | undefined]>([
    [undefined, undefined],
    ["", undefined],
    ["text/html", undefined],
    ["text/plain", PLAIN],
    [" text/plain ; charset=utf-8", PLAIN],
    ["application/openmetrics-text", OPEN_METRICS],
    // By quality first, by closeness only among equals, by our order at last.
    ["application/openmetrics-text;q=0.5, text/plain;q=0.6", PLAIN],
    ["text/*, */*", PLAIN],
    ["text/*;q=0.9, */*", undefined],
    ["application/*, application/openmetrics-text", OPEN_METRICS],
    ["application/*, text/plain", PLAIN],
    ["application/openmetrics-text, text/plain", OPEN_METRICS],
    ["text/plain;q=0, application/openmetrics-text;q=0", undefined],
    ["text/plain;q=0.001", PLAIN],
    ["text/plain;q=0", undefined],
    ["text/plain;q=0.000", undefined],
    // The best of several versions.
    ["text/plain;version=1;q=0.1, text/plain;version=0;q=0.9, application/openmetrics-text;q=0.5", PLAIN],
    // No quality of HTTP: it counts as 1.
    ["text/plain;q=2, application/openmetrics-text;q=0.9", PLAIN],
    ["text/plain;q=0.1234, application/openmetrics-text;q=0.9", PLAIN],
    ["text/plain;q=x0.1, application/openmetrics-text;q=0.9", PLAIN],
    ["text/plain;q=0.1x, application/openmetrics-text;q=0.9", PLAIN],
    ["text/plain;q=1.5, application/openmetrics-text", OPEN_METRICS],
    ["text/plain;q=1.000, application/openmetrics-text;q=0.999", PLAIN],
    ["text/plain;q=0., application/openmetrics-text;q=0.1", OPEN_METRICS],
    // Another parameter is none.
    ["text/plain;quality=0.1;q=1, application/openmetrics-text;q=0.9", PLAIN],
  ])("in answer to Accept %j are %j", (accept, contentType) => {
    expect(prometheusContentType(accept)).toBe(contentType);
  });
});
