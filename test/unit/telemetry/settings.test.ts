import { describe, expect, it } from "@jest/globals";
import { ConfigError, readConfig } from "../../../src/lib/config/config.ts";
import type { TelemetrySettings } from "../../../src/lib/config/telemetry-settings.ts";

const KEY = "11111111-2222-4333-8444-555555555555";
const INSIGHTS = {
  APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${KEY};IngestionEndpoint=https://in.example.net/`,
};
const COLLECTOR = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

const read = (variables: Record<string, string>): TelemetrySettings | undefined => readConfig(variables).telemetry;

function problemsOf(variables: Record<string, string>): string {
  try {
    readConfig(variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "none";
}

describe("telemetry", () => {
  it.each<Record<string, string>>([
    {},
    { APPLICATIONINSIGHTS_CONNECTION_STRING: "" },
    { OTEL_SERVICE_NAME: "x", OTEL_TRACES_SAMPLER: "of somebody else", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    { ...COLLECTOR, OTEL_SDK_DISABLED: "true" },
  ])("is off with %j", (variables) => {
    expect(read(variables)).toBeUndefined();
  });

  it("goes to Application Insights by its connection string", () => {
    expect(read(INSIGHTS)).toMatchObject({
      serviceName: "agent-communication",
      applicationInsights: { connectionString: INSIGHTS.APPLICATIONINSIGHTS_CONNECTION_STRING, login: undefined },
      otlp: undefined,
      sampler: "parentbased_always_on",
      samplingRatio: 1,
      metrics: { exportIntervalMillis: 60_000, exportTimeoutMillis: 30_000 },
    });
    expect(
      read({
        ...INSIGHTS,
        WEBSITE_SITE_NAME: "agents",
        AGENT_COMMUNICATION_MODE: "mock",
        AZURE_FUNCTIONS_ENVIRONMENT: "Development",
      })?.serviceName,
    ).toBe("agents");
  });

  it.each([
    `InstrumentationKey=${KEY}`,
    `InstrumentationKey=${KEY} ; LiveEndpoint=https://live.example.net/`,
    `IngestionEndpoint=https://in.example.net/; instrumentationkey=${KEY.toUpperCase()}`,
  ])("takes the key from wherever it stands: %s", (text) => {
    const settings = read({ APPLICATIONINSIGHTS_CONNECTION_STRING: text });
    expect(settings?.applicationInsights?.connectionString).toBe(text);
  });

  it.each([
    KEY,
    `XInstrumentationKey=${KEY}`,
    `InstrumentationKey=${KEY}0`,
    `InstrumentationKey=${KEY.slice(1)}`,
    "InstrumentationKey=",
  ])("refuses a connection string without a key: %s", (text) => {
    expect(problemsOf({ APPLICATIONINSIGHTS_CONNECTION_STRING: text })).toContain(
      "APPLICATIONINSIGHTS_CONNECTION_STRING: must hold an InstrumentationKey, a GUID",
    );
  });

  it.each([
    ["Authorization=AAD", { type: "default" }],
    ["ClientId=0b1c;Authorization=AAD", { type: "managed-identity", clientId: "0b1c" }],
    ["Authorization=AAD; ClientId=0b1c", { type: "managed-identity", clientId: "0b1c" }],
  ])("proves itself by Entra ID with %s", (text, login) => {
    const settings = read({ ...INSIGHTS, APPLICATIONINSIGHTS_AUTHENTICATION_STRING: text });
    expect(settings?.applicationInsights?.login).toMatchObject(login);
  });

  it("says what an application lacks that proves itself by a secret", () => {
    const aad = { ...INSIGHTS, APPLICATIONINSIGHTS_AUTHENTICATION_STRING: "Authorization=AAD" };
    expect(problemsOf({ ...aad, AZURE_CLIENT_SECRET: "hush" })).toMatch(/AZURE_CLIENT_ID.*AZURE_TENANT_ID/);
  });

  it("goes to a collector, each signal where it is wanted", () => {
    const both = "http/protobuf";
    expect(read(COLLECTOR)?.otlp).toEqual({ traces: both, metrics: both, logs: both });
    expect(read({ ...COLLECTOR, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", OTEL_LOGS_EXPORTER: "none" })?.otlp).toEqual({
      traces: "http/json",
      metrics: "http/json",
    });
    expect(
      read({
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "https://collector.example.net/v1/metrics",
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "http/json",
      })?.otlp,
    ).toEqual({ metrics: "http/json" });
  });

  it("goes to both", () => {
    expect(read({ ...INSIGHTS, ...COLLECTOR })).toMatchObject({ applicationInsights: {}, otlp: {} });
  });

  it("keeps bounds: batches are no larger than queues, an export ends before the next", () => {
    const settings = read({ ...COLLECTOR, OTEL_BSP_MAX_QUEUE_SIZE: "100", OTEL_METRIC_EXPORT_INTERVAL: "1000" });
    expect(settings?.spans).toMatchObject({ maxQueueSize: 100, maxExportBatchSize: 100 });
    expect(settings?.metrics).toEqual({ exportIntervalMillis: 1_000, exportTimeoutMillis: 1_000 });
  });

  it("names all that is wrong at once, and no secret", () => {
    const said = problemsOf({
      APPLICATIONINSIGHTS_CONNECTION_STRING: "InstrumentationKey=hush",
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: "Authorization=hush",
      OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317",
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=hush",
      OTEL_TRACES_SAMPLER: "xray",
      OTEL_TRACES_SAMPLER_ARG: "2",
      OTEL_TRACES_EXPORTER: "zipkin",
    });
    for (const name of [
      "CONNECTION_STRING",
      "AUTHENTICATION_STRING",
      "ENDPOINT",
      "PROTOCOL",
      "SAMPLER",
      "SAMPLER_ARG",
    ]) {
      expect(said).toMatch(new RegExp(`_${name}: `));
    }
    expect(said).toContain("OTEL_TRACES_EXPORTER: must be otlp or none");
    expect(said).not.toContain("hush");
  });
});
