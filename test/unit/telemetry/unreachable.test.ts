import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";

/** A collector that is not there, or takes connections and says nothing, harms nothing. */

const QUICK = {
  OTEL_BSP_SCHEDULE_DELAY: "20",
  OTEL_BLRP_SCHEDULE_DELAY: "20",
  OTEL_METRIC_EXPORT_INTERVAL: "100",
  OTEL_BSP_MAX_QUEUE_SIZE: "50",
  AGENT_SWEEP_SCHEDULE: "* * * * * *",
};
const MESSAGES = 1_000;

describe("a collector out of reach", () => {
  const silent = createServer(() => undefined);
  let host: LocalHost | undefined;

  beforeAll(() => new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve)));
  afterEach(async () => {
    await host?.stop();
  });
  afterAll(() => {
    silent.close();
  });

  async function work(environment: Record<string, string>): Promise<LocalHost> {
    host = await startLocalHost({ ...QUICK, ...environment });
    const client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "a", role: "worker" });
    const message = { sender: "a", receiver: "a", type: "query" } as const;
    for (let sent = 0; sent < MESSAGES; sent += 100) {
      await Promise.all(Array.from({ length: 100 }, () => client.sendMessage(message)));
    }
    const { byStatus } = await client.queueStatistics();
    expect(byStatus.queued).toBe(MESSAGES);
    return host;
  }

  const KEY = "InstrumentationKey=11111111-2222-4333-8444-555555555555";
  const silentPort = () => (silent.address() as AddressInfo).port;
  it.each([
    ["refuses connections (OTLP)", () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" })],
    ["never answers (OTLP)", () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${silentPort()}` })],
    [
      "refuses connections (Application Insights)",
      () => ({ APPLICATIONINSIGHTS_CONNECTION_STRING: `${KEY};IngestionEndpoint=https://127.0.0.1:9/` }),
    ],
    [
      "never answers (Application Insights)",
      () => ({ APPLICATIONINSIGHTS_CONNECTION_STRING: `${KEY};IngestionEndpoint=https://127.0.0.1:${silentPort()}/` }),
    ],
  ])("that %s: everything is served, one line says so, and stopping is not held up", async (_, environment) => {
    const { output, process: child, stop } = await work(environment());
    const asked = performance.now();
    expect(await stop()).toBe(0);
    expect(performance.now() - asked).toBeLessThan(9_000);
    expect(child.signalCode).toBeNull();
    const lines = output().trimEnd().split("\n").slice(1);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ event: "telemetry was not delivered" });
    expect(lines.length).toBeLessThanOrEqual(1);
  });
});
