import { describe, expect, it } from "@jest/globals";
import { runFile } from "../../support/run-process.ts";

const NOWHERE = "http://127.0.0.1:9";
const NONE = {
  APPLICATIONINSIGHTS_CONNECTION_STRING: "",
  OTEL_EXPORTER_OTLP_ENDPOINT: "",
  OTEL_EXPORTER_OTLP_PROTOCOL: "",
};
const KEY = "InstrumentationKey=11111111-2222-4333-8444-555555555555;IngestionEndpoint=https://127.0.0.1:9/";
const SDK = ["@opentelemetry/api", "@opentelemetry/sdk-trace"];

async function loadedWith(environment: Record<string, string>): Promise<unknown> {
  const { code, out, error } = await runFile("test/unit/telemetry/loaded-modules.ts", [], {
    environment: { ...NONE, ...environment },
  });
  expect({ code, error: error.replaceAll(/^\(.*\n/gm, "") }).toMatchObject({ code: 0 });
  return JSON.parse(out);
}

describe("what is loaded", () => {
  it("without telemetry is nothing of it", async () => {
    expect(await loadedWith({})).toEqual([]);
  });

  it("for a collector is the exporter of its protocol", async () => {
    const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: NOWHERE };
    expect(await loadedWith(collector)).toEqual([...SDK, "@opentelemetry/exporter-trace-otlp-proto"]);
    expect(await loadedWith({ ...collector, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" })).toEqual([
      ...SDK,
      "@opentelemetry/exporter-trace-otlp-http",
    ]);
  });

  it("for Application Insights is its exporter, and Entra ID only where that is asked for", async () => {
    const insights = { APPLICATIONINSIGHTS_CONNECTION_STRING: KEY };
    expect(await loadedWith(insights)).toEqual([...SDK, "@azure/monitor-opentelemetry-exporter"]);
    const entra = { ...insights, APPLICATIONINSIGHTS_AUTHENTICATION_STRING: "Authorization=AAD;ClientId=id" };
    expect(await loadedWith(entra)).toEqual([...SDK, "@azure/monitor-opentelemetry-exporter", "@azure/identity"]);
  });
});
