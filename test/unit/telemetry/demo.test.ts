import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { planTasks } from "../../../demo/plan.ts";
import { makeSampleFolder } from "../../hosts/demo/sample-folder.ts";
import { type BreezeServer, startBreezeServer } from "../../support/breeze-server.ts";
import { type OtlpServer, startOtlpServer } from "../../support/otlp-server.ts";
import { drawTrace, type Received, type ReceivedSpan } from "../../support/received-telemetry.ts";
import { type Finished, runFile } from "../../support/run-process.ts";

/** The demo with its telemetry switched on, as both kinds of receivers get it: five workers, of which one is killed. */

const KILLED = "duplicates";

let folder: string;
let cwd: string;
let breeze: BreezeServer;
let otlp: OtlpServer;
let finished: Finished;
let report: string;

beforeAll(async () => {
  folder = await makeSampleFolder();
  cwd = await mkdtemp(join(tmpdir(), "agent-communication-demo-test-"));
  [breeze, otlp] = await Promise.all([startBreezeServer(), startOtlpServer()]);
  const authority = join(cwd, "authority.pem");
  await writeFile(authority, breeze.authority);
  finished = await runFile("demo/main.ts", [folder, "--out", "report.md", "--credentials"], {
    cwd,
    milliseconds: 110_000,
    environment: {
      APPLICATIONINSIGHTS_CONNECTION_STRING: breeze.connectionString,
      NODE_EXTRA_CA_CERTS: authority,
      OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    },
  });
  report = await readFile(join(cwd, "report.md"), "utf8").catch(() => "");
}, 120_000);
afterAll(async () => {
  await Promise.all([breeze?.close(), otlp?.close()]);
  for (const made of [folder, cwd]) await rm(made, { recursive: true, force: true });
});

/** The spans of the trace in which the task was assigned. */
function traceOf({ spans }: Received, taskId: string): ReceivedSpan[] {
  const assigned = spans.find(
    ({ name, attributes }) => /^POST \S*\/tasks$/.test(name) && attributes["agent_communication.task.id"] === taskId,
  );
  return spans.filter(({ traceId }) => assigned !== undefined && traceId === assigned.traceId);
}

/** Whether the worker that was killed had the task in an attempt: it may have taken spans of it along. */
function touchedByKilled(taskId: string): boolean {
  const killed = /killed (\w+) \(process \d+\)/.exec(finished.out)?.[1] ?? "";
  return killed === "" || new RegExp(`^\\| ${taskId} \\|.*\\b${killed}:`, "m").test(report);
}

/** How they hang together, without the prefix of routes that one receiver adds. */
const draw = (spans: readonly ReceivedSpan[]) =>
  drawTrace(spans, spans[0]?.traceId ?? "")
    .replaceAll(" /api/", " /")
    .split("\n");

describe.each([
  ["a collector", () => otlp.received],
  ["Application Insights", () => breeze.received],
])("the demo's telemetry at %s", (_, received) => {
  it("comes from a demo that has done its work, the one that was killed included", () => {
    expect([finished.code, finished.error]).toEqual([0, ""]);
    expect(finished.out).toContain(`all 8 tasks completed, ${KILLED} by another worker`);
  });

  it.each(planTasks("folder").map(({ taskId, taskType }) => ({ taskId, taskType })))(
    "has one trace of $taskId, from the supervisor's assign to the worker's complete and the result",
    ({ taskId, taskType }) => {
      const spans = traceOf(received(), taskId);
      const lines = draw(spans);
      const at = (name: string, depth: number) => lines.filter((line) => line === `${"  ".repeat(depth)}${name}`);
      const roots = lines.filter((line) => !line.startsWith(" "));
      expect(roots).toContain(`assign ${taskType}`);
      expect(at("POST /tasks", 1)).toHaveLength(1);
      expect(lines.filter((line) => line.trim() === "store completeTask")).toHaveLength(1);
      // What the killed worker had not exported is gone; what it had called is there, below nothing.
      if (!touchedByKilled(taskId)) {
        expect(roots).toHaveLength(1);
        expect(at(`task ${taskType}`, 2)).toHaveLength(1);
        for (const step of ["start", "complete"]) expect(at(`POST /tasks/{taskId}/${step}`, 3)).toHaveLength(1);
      }
      expect(at("POST /messages/settle", 2).length).toBeGreaterThan(0);
      const roles = new Set(spans.map(({ role }) => role));
      for (const role of ["demo-supervisor", "agent-communication"]) expect(roles).toContain(role);
      if (!touchedByKilled(taskId) || taskId === KILLED) expect(roles).toContain("demo-worker");
    },
  );

  it("lacks nothing of the tasks that the killed worker never had", () => {
    expect(planTasks("folder").filter(({ taskId }) => !touchedByKilled(taskId)).length).toBeGreaterThanOrEqual(4);
  });

  it("is of the same spans as at the other", () => {
    // But for the workers: the one that was killed may have told one of them what it had not told the other yet.
    const ids = ({ spans }: Received) => spans.filter(({ role }) => role !== "demo-worker").map(({ spanId }) => spanId);
    expect(ids(received()).length).toBeGreaterThan(100);
    expect(ids(received()).sort()).toEqual(ids(otlp.received).sort());
  });

  it("has the metrics of the service, and no token, path or content", () => {
    const names = new Set(received().metrics.map(({ name }) => name));
    expect([...names]).toEqual(
      expect.arrayContaining(["agent_communication.tasks.completed", "agent_communication.tasks.ended"]),
    );
    for (const secret of ["agt_", folder, "ghost-pkg"]) {
      expect(received().texts.filter((text) => text.includes(secret))).toEqual([]);
    }
  });
});
