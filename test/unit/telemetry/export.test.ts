import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { COUNTERS, GAUGES, HISTOGRAMS } from "../../../src/lib/trace/metric-names.ts";
import { type BreezeServer, startBreezeServer } from "../../support/breeze-server.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { type OtlpServer, startOtlpServer } from "../../support/otlp-server.ts";
import { until } from "../../support/poll.ts";
import type { Received } from "../../support/received-telemetry.ts";

/** What arrives at a collector and at Application Insights, sent by a real process to both at once. */

/** Stands in every content of messages and tasks, and must stand nowhere else. */
const MARK = "content-that-nobody-may-see";

describe("telemetry of a process", () => {
  const folder = mkdtempSync(join(tmpdir(), "agents-"));
  let otlp: OtlpServer;
  let breeze: BreezeServer;
  let host: LocalHost;
  const destinations: [string, () => Received][] = [
    ["a collector", () => otlp.received],
    ["Application Insights", () => breeze.received],
  ];

  beforeAll(async () => {
    [otlp, breeze] = await Promise.all([startOtlpServer(), startBreezeServer()]);
    writeFileSync(join(folder, "authority.pem"), breeze.authority);
    host = await startLocalHost({
      OTEL_SERVICE_NAME: "switchboard-under-test",
      OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      APPLICATIONINSIGHTS_CONNECTION_STRING: breeze.connectionString,
      NODE_EXTRA_CA_CERTS: join(folder, "authority.pem"),
      AGENT_SWEEP_SCHEDULE: "* * * * * *",
      AGENT_HEARTBEAT_INTERVAL: "0.5",
    });
    const client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor", metadata: { note: MARK } });
    await client.registerAgent({ agentId: "worker", role: "worker", maxConcurrentTasks: 2 });
    await client.heartbeat("worker");
    const query = { sender: "lead", receiver: "worker", type: "query", payload: { [MARK]: MARK } } as const;
    await client.sendMessage(query);
    await client.sendMessage({ ...query, type: "custom.type", ttlSeconds: 0.01 });
    const [first] = (await client.receiveMessages("worker")).messages;
    await client.retryMessage(first?.messageId ?? "", { agentId: "worker", attempt: 1, delaySeconds: 0, reason: MARK });
    const [again] = (await client.receiveMessages("worker")).messages;
    await client.deadLetterMessage(again?.messageId ?? "", { agentId: "worker", attempt: 2, reason: MARK });
    const task = { supervisor: "lead", taskType: "t", description: MARK, parameters: { [MARK]: MARK }, maxRetries: 0 };
    const done = await client.assignTask(task);
    await client.startTask(done.taskId, { agentId: "worker", attempt: 1 });
    await client.progressTask(done.taskId, { agentId: "worker", attempt: 1, note: MARK });
    await client.completeTask(done.taskId, { agentId: "worker", attempt: 1, result: MARK });
    const failed = await client.assignTask(task);
    await client.failTask(failed.taskId, { agentId: "worker", attempt: 1, error: MARK });
    await client.assignTask({ ...task, requiredCapabilities: [MARK], taskId: "waits" });
    await client.cancelTask("waits", MARK);
    await expect(client.getTask(`${MARK}/../x`)).rejects.toThrow();
    await expect(fetch(`${host.baseUrl}/messages/${MARK}%20?${MARK}`)).resolves.toMatchObject({ status: 400 });
    await expect(fetch(`${host.baseUrl}/${MARK}`)).resolves.toMatchObject({ status: 404 });
    // The silence of both, noticed by a sweep, makes a line in the log; the gauges are read after it.
    for (const [, received] of destinations) {
      await until("a gauge after the silence", () =>
        received().metrics.some(({ name, value }) => name === "agent_communication.agents.active" && value === 0),
      );
    }
    await host.stop();
  });
  afterAll(async () => {
    await Promise.all([host?.stop(), otlp?.close(), breeze?.close()]);
    rmSync(folder, { recursive: true });
  });

  const total = ({ metrics }: Received, name: string, attributes: object = {}) =>
    metrics
      .filter((metric) => metric.name === name)
      .filter((metric) => Object.entries(attributes).every(([key, value]) => metric.attributes[key] === value));
  /** A collector gets running totals, Application Insights what was added. */
  const sum = (received: Received, name: string, attributes: object = {}) => {
    const points = total(received, name, attributes).map(({ value }) => value);
    return received === otlp.received ? Math.max(0, ...points) : points.reduce((all, value) => all + value, 0);
  };

  it.each(destinations)("says to %s who it is", (_, of) => {
    const { spans } = of();
    expect(new Set(spans.map(({ role }) => role))).toEqual(new Set(["switchboard-under-test"]));
    expect(new Set(spans.map(({ instance }) => instance)).size).toBe(1);
  });

  it.each(destinations)("has for %s a span per request, by the route, with its store verbs below", (where, of) => {
    const { spans } = of();
    const name = where === "a collector" ? "POST /messages" : "POST /api/messages";
    const requests = spans.filter((span) => span.name === name);
    expect(requests).toHaveLength(2);
    for (const request of requests) {
      expect(request.attributes).toMatchObject({ "agent_communication.agent.id": "lead" });
      expect(request.attributes["agent_communication.message.id"]).toMatch(/^[0-9a-f-]{36}$/);
      const below = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
      // The custom type is looked up first; the delivery stands below the request, too.
      const stored = below.filter(({ name: verb }) => verb.startsWith("store "));
      expect(stored.at(-1)).toMatchObject({ name: "store sendMessages", traceId: request.traceId });
    }
  });

  it.each(destinations)("has for %s a trace per sweep", (_, of) => {
    const { spans } = of();
    const sweeps = spans.filter(({ name }) => name === "timer sweep");
    expect(sweeps.length).toBeGreaterThan(0);
    expect(sweeps.every(({ parentSpanId }) => parentSpanId === undefined)).toBe(true);
    expect(new Set(sweeps.map(({ traceId }) => traceId)).size).toBe(sweeps.length);
    const verbs = spans.filter(({ name }) => name === "store sweep");
    expect(verbs.map(({ parentSpanId }) => parentSpanId).sort()).toEqual(sweeps.map(({ spanId }) => spanId).sort());
  });

  it.each(destinations)("has for %s no span of a heartbeat or an empty poll that went well", (_, of) => {
    expect(of().spans.filter(({ name }) => /heartbeat/.test(name))).toEqual([]);
    const polls = of().spans.filter(({ name }) => /claimMessages|messages\/receive/.test(name));
    expect(polls).toHaveLength(4);
  });

  it.each(destinations)("counts for %s what was done", (_, of) => {
    const received = of();
    const counted = (name: string, attributes?: object) => sum(received, `agent_communication.${name}`, attributes);
    expect({
      sent: counted("messages.sent"),
      received: counted("messages.received", { type: "query" }),
      redelivered: counted("messages.redelivered"),
      returned: counted("messages.settled", { outcome: "queued" }),
      deadLettered: counted("messages.dead_lettered", { by: "receiver" }),
      expired: counted("messages.expired"),
      assigned: counted("tasks.assigned", { how: "at_once" }),
      started: counted("tasks.started"),
      completed: counted("tasks.completed"),
      failed: counted("tasks.failed"),
      cancelled: counted("tasks.cancelled"),
      registered: counted("agents.registered"),
      heartbeats: counted("agents.heartbeats"),
      silenced: counted("agents.silenced"),
      invalid: counted("refusals", { code: "INVALID_REQUEST", route: "GET /messages/{messageId}" }),
    }).toEqual({
      sent: 2,
      received: 2,
      redelivered: 1,
      returned: 1,
      deadLettered: 1,
      expired: 1,
      assigned: 2,
      started: 1,
      completed: 1,
      failed: 1,
      cancelled: 1,
      registered: 2,
      heartbeats: 1,
      silenced: 2,
      invalid: 1,
    });
    expect(counted("sweep.runs", { outcome: "ok" })).toBeGreaterThan(0);
  });

  it.each(destinations)("measures for %s requests, round trips and waits", (_, of) => {
    const received = of();
    const trips = total(received, "agent_communication.store.round_trip", { verb: "sendMessages", outcome: "ok" });
    expect(trips.at(-1)?.value).toBeGreaterThan(0);
    expect(total(received, "agent_communication.messages.wait", { type: "query" }).length).toBeGreaterThan(0);
    const requests = total(received, "http.server.request.duration", { "http.route": "/api/tasks" });
    expect(requests.length).toBeGreaterThan(0);
  });

  it.each(destinations)("gives %s every gauge, and nothing under a name that is not ours", (_, of) => {
    const names = new Set(of().metrics.map(({ name }) => name));
    expect(Object.keys(GAUGES).filter((name) => !names.has(name))).toEqual([]);
    const known = new Set([...Object.keys(COUNTERS), ...Object.keys(GAUGES), ...Object.keys(HISTOGRAMS)]);
    expect([...names].filter((name) => !known.has(name) && name !== "_OTELRESOURCE_")).toEqual([]);
    expect(total(of(), "agent_communication.dead_letters").at(-1)?.value).toBe(1);
    const ended = (outcome: string) => total(of(), "agent_communication.tasks.ended", { outcome }).at(-1)?.value;
    expect([ended("completed"), ended("failed")]).toEqual([1, 1]);
  });

  it.each(destinations)("gives %s the lines of the log, with the trace that they belong to", (_, of) => {
    const { logs, spans } = of();
    const line = logs.find(({ body, attributes }) => body === "sweep" && Number(attributes.agentsInactivated) > 0);
    expect(line).toBeDefined();
    expect(spans.find(({ traceId }) => traceId === line?.traceId)?.name).toMatch(/sweep/);
    expect(host.output()).toContain(`"traceId":"${line?.traceId}"`);
  });

  it.each(destinations)("tells %s nothing of any content", (_, of) => {
    expect(of().texts.length).toBeGreaterThan(3);
    expect(of().texts.filter((text) => text.includes(MARK))).toEqual([]);
    expect(host.output()).not.toContain(MARK);
  });

  it("speaks the protocols as they are", () => {
    const paths = (received: Received) => [...new Set(received.requests.map(({ path }) => path))].sort();
    expect(paths(otlp.received)).toEqual(["/v1/logs", "/v1/metrics", "/v1/traces"]);
    expect(paths(breeze.received)).toEqual(["/v2.1/track"]);
    expect(breeze.received.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  });
});
