import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { startBreezeServer } from "../../support/breeze-server.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { type LocalHost, startLocalHost, stopProcess } from "../../support/local-host.ts";
import { startOtlpServer } from "../../support/otlp-server.ts";
import { drawTrace, type Received, type ReceivedSpan } from "../../support/received-telemetry.ts";
import { runFile } from "../../support/run-process.ts";

/** One trace from the supervisor's assign to the worker's complete and back, over three processes, as a receiver gets it. */

const AGENT = fileURLToPath(new URL("./traced-agent.ts", import.meta.url));
const MARK = "content-that-nobody-may-see";
const OFF = { OTEL_EXPORTER_OTLP_ENDPOINT: "", APPLICATIONINSIGHTS_CONNECTION_STRING: "" };

interface Destination {
  environment: Record<string, string>;
  received: Received;
  close(): Promise<void>;
}

async function collector(): Promise<Destination> {
  const { endpoint, received, close } = await startOtlpServer();
  return {
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" },
    received,
    close,
  };
}

async function applicationInsights(): Promise<Destination> {
  const { connectionString, authority, received, close } = await startBreezeServer();
  const folder = mkdtempSync(join(tmpdir(), "agents-"));
  const file = join(folder, "authority.pem");
  writeFileSync(file, authority);
  return {
    environment: { APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString, NODE_EXTRA_CA_CERTS: file },
    received,
    close: async () => {
      await close();
      rmSync(folder, { recursive: true });
    },
  };
}

describe.each([
  ["a collector", collector],
  ["Application Insights", applicationInsights],
])("a task's trace at %s", (_, open) => {
  let destination: Destination;
  let host: LocalHost;
  let worker: ChildProcess | undefined;

  beforeAll(async () => {
    destination = await open();
  });
  afterEach(async () => {
    if (worker !== undefined) await stopProcess(worker);
    await host?.stop();
  });
  afterAll(async () => {
    await destination?.close();
  });

  /** A task from its assignment to its result, by processes with those variables. @returns its id */
  async function doTask(agents: Record<string, string>): Promise<string> {
    host = await startLocalHost(destination.environment);
    worker = childOfTest(
      spawn(process.execPath, [AGENT, "worker", host.baseUrl, "worker"], {
        env: { ...process.env, ...OFF, ...agents },
        stdio: ["ignore", "pipe", "inherit"],
      }),
    );
    if (worker.stdout !== null) await once(worker.stdout, "data");
    const supervisor = ["supervisor", host.baseUrl, "lead", MARK];
    const done = await runFile("test/unit/telemetry/traced-agent.ts", supervisor, {
      environment: { ...OFF, ...agents },
    });
    expect(done).toMatchObject({ code: 0, error: "" });
    // What is left is exported when they end.
    expect(await stopProcess(worker)).toBe(0);
    expect(await host.stop()).toBe(0);
    return done.out.trim();
  }

  /** All spans of the trace in which the task was assigned. */
  function traceOf(taskId: string): ReceivedSpan[] {
    const { spans } = destination.received;
    const assigned = spans.find(
      ({ name, attributes }) => /^POST \S*\/tasks$/.test(name) && attributes["agent_communication.task.id"] === taskId,
    );
    return spans.filter(({ traceId }) => traceId === assigned?.traceId);
  }

  /** The span below whose are these, by name; store verbs left out, routes without the prefix that one receiver adds. */
  function tree(spans: readonly ReceivedSpan[]): string[] {
    const [{ traceId } = { traceId: "" }] = spans;
    const lines = drawTrace(spans, traceId).split("\n");
    return lines.filter((line) => !/^ *store /.test(line)).map((line) => line.replace(" /api/", " /"));
  }

  it("is one, from the supervisor's assign to the worker's complete and the result", async () => {
    const spans = traceOf(await doTask(destination.environment));
    expect(new Set(spans.map(({ role }) => role))).toEqual(
      new Set(["supervisor-under-test", "agent-communication", "worker-under-test"]),
    );
    const lines = tree(spans);
    // One root: everything hangs together.
    expect(lines.filter((line) => !line.startsWith(" "))).toEqual(["assign echo"]);
    const at = (name: string, depth: number) => expect(lines).toContain(`${"  ".repeat(depth)}${name}`);
    at("POST /tasks", 1);
    // The wait of the assignment in the worker's mailbox, and that of the result in the supervisor's.
    expect(lines.filter((line) => line === "    deliver")).toHaveLength(2);
    at("task echo", 2);
    at("POST /tasks/{taskId}/start", 3);
    at("POST /tasks/{taskId}/progress", 3);
    at("POST /tasks/{taskId}/usage", 3);
    at("POST /tasks/{taskId}/complete", 3);
    // What the worker tells while it works belongs to it, and so does what its receiver does with that.
    at("POST /messages", 3);
    at("message notification", 4);
    at("POST /messages/{messageId}/complete", 5);
    // The result is settled by the supervisor.
    at("POST /messages/settle", 2);
  });

  it("tells what the handler has used of models, in its own span and in that of the report", () => {
    const { spans, metrics } = destination.received;
    const usage = {
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-5",
      "gen_ai.usage.input_tokens": 70,
      "gen_ai.usage.output_tokens": 7,
      "gen_ai.usage.cache_read.input_tokens": 5,
    };
    const numbers = (attributes: Readonly<Record<string, unknown>>) =>
      Object.fromEntries(
        Object.keys(usage).map((name) => {
          const value = attributes[name];
          return [name, name.startsWith("gen_ai.usage") ? Number(value) : value];
        }),
      );
    const told = spans.filter(({ name }) => name === "task echo" || name.endsWith("/tasks/{taskId}/usage"));
    expect(told).toHaveLength(2);
    for (const { attributes } of told) expect(numbers(attributes)).toEqual(usage);
    const counted = metrics.find(({ name }) => name === "gen_ai.client.inference.usage.input_tokens");
    expect(counted).toMatchObject({
      value: 70,
      attributes: { "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5" },
    });
  });

  it("is linked to by the receives that have brought its messages", () => {
    const { spans } = destination.received;
    const receives = spans.filter(({ name }) => name.endsWith("/messages/receive"));
    const links = receives.flatMap((receive) => receive.links);
    const traceId = spans.find(({ name }) => name === "assign echo")?.traceId;
    expect(links.filter((link) => link === traceId).length).toBeGreaterThanOrEqual(3);
    // And each delivery names the receive that has ended its wait.
    const deliveries = spans.filter((span) => span.traceId === traceId && span.name === "deliver");
    const receiveIds = new Set(receives.map((receive) => receive.traceId));
    expect(deliveries.every(({ links: [receive] }) => receiveIds.has(receive ?? ""))).toBe(true);
  });

  it("is one, too, where the agents have no telemetry: they hand it on", async () => {
    const lines = tree(traceOf(await doTask({})));
    expect(lines.filter((line) => !line.startsWith(" "))).toEqual(["POST /tasks"]);
    for (const name of ["start", "progress", "complete"]) expect(lines).toContain(`  POST /tasks/{taskId}/${name}`);
    expect(lines).toContain("  POST /messages");
    expect(lines).toContain("    POST /messages/{messageId}/complete");
  });

  it("tells nothing of any content", () => {
    expect(destination.received.texts.length).toBeGreaterThan(3);
    expect(destination.received.texts.filter((text) => text.includes(MARK))).toEqual([]);
  });
});
