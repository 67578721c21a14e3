import { describe, expect, it } from "@jest/globals";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { InMemorySpanExporter } from "@opentelemetry/sdk-trace";
import { readTelemetrySettings } from "../../../src/lib/config/telemetry-settings.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { AgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { parseTraceparent } from "../../../src/lib/model/traceparent.ts";
import { OpenTelemetry } from "../../../src/lib/telemetry/open-telemetry/open-telemetry.ts";
import { createProviders } from "../../../src/lib/telemetry/open-telemetry/providers.ts";

/** Which spans are exported, by the SDK's own exporter that keeps them in memory. */

const INSIGHTS = { APPLICATIONINSIGHTS_CONNECTION_STRING: "InstrumentationKey=11111111-2222-4333-8444-555555555555" };

function telemetryWith(variables: Record<string, string>) {
  const { settings } = readTelemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", ...variables });
  if (settings === undefined) throw new Error("these settings are good");
  const exporter = new InMemorySpanExporter();
  const spans: SpanExporter = {
    export: (some, done) => exporter.export(some, done),
    // Stopping would empty it.
    shutdown: async () => undefined,
  };
  const providers = createProviders(settings, [{ spans }], systemClock.now(), () => undefined);
  const telemetry = new OpenTelemetry(providers, systemClock, 60_000);
  return {
    telemetry,
    names: async () => {
      await telemetry.stop();
      return exporter.getFinishedSpans().map(({ name }) => name);
    },
    spans: () => exporter.getFinishedSpans(),
  };
}

const root = (name: string) => ({ name, kind: "server", parent: "none" }) as const;
const done = async () => undefined;
const fails = (error: Error) => async () => {
  throw error;
};

describe("spans", () => {
  it("are all kept unless something else is said", async () => {
    const { telemetry, names } = telemetryWith({});
    await telemetry.span(root("a"), () => telemetry.span({ name: "b", kind: "client" }, done));
    expect(await names()).toEqual(["b", "a"]);
  });

  it("of a share of the traces are kept, whole traces, and counted for those that are not", async () => {
    const { telemetry, names, spans } = telemetryWith({
      ...INSIGHTS,
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
    });
    for (let n = 0; n < 400; n++) {
      await telemetry.span(root("parent"), () => telemetry.span({ name: "child", kind: "client" }, done));
    }
    const kept = await names();
    const parents = kept.filter((name) => name === "parent").length;
    expect(kept).toHaveLength(2 * parents);
    // 100 expected; less than one in a billion runs is outside.
    expect(parents).toBeGreaterThan(45);
    expect(parents).toBeLessThan(160);
    expect(spans().every(({ attributes }) => attributes["microsoft.sample_rate"] === 25)).toBe(true);
  });

  it("follow the caller's decision", async () => {
    const { telemetry, names } = telemetryWith({ OTEL_TRACES_SAMPLER: "parentbased_always_on" });
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let passedOn: string | undefined;
    await telemetry.span({ ...root("not wanted"), parent: `00-${trace}-00` }, async (span) => {
      passedOn = span.traceparent;
    });
    await telemetry.span({ ...root("wanted"), parent: `00-${trace}-01` }, done);
    expect(await names()).toEqual(["wanted"]);
    expect(parseTraceparent(passedOn)).toMatchObject({ traceId: trace.slice(0, 32), sampled: false });
  });

  it("that are errors are kept, whatever the sampling; refusals are none", async () => {
    const { telemetry, names, spans } = telemetryWith({ ...INSIGHTS, OTEL_TRACES_SAMPLER: "always_off" });
    const unavailable = new AgentCommunicationError("STORE_UNAVAILABLE", "secret detail");
    const refusal = new AgentCommunicationError("LEASE_LOST", "secret detail");
    await telemetry.span(root("fine"), done);
    await expect(telemetry.span(root("refused"), fails(refusal))).rejects.toBe(refusal);
    await expect(telemetry.span(root("broken"), fails(unavailable))).rejects.toBe(unavailable);
    await expect(telemetry.span(root("defect"), fails(new TypeError("secret detail")))).rejects.toThrow();
    await telemetry.span(root("said so"), async (span) => span.fail("UNHEALTHY"));
    expect(await names()).toEqual(["broken", "defect", "said so"]);
    const codes = spans().map(({ attributes }) => attributes["error.type"]);
    expect(codes).toEqual(["STORE_UNAVAILABLE", "TypeError", "UNHEALTHY"]);
    expect(JSON.stringify(spans().map(({ attributes, status, events }) => [attributes, status, events]))).not.toContain(
      "secret",
    );
    // Each stands for itself alone.
    expect(spans().some(({ attributes }) => "microsoft.sample_rate" in attributes)).toBe(false);
  });

  it("in which nothing happened are dropped, unless something did, was refused or failed", async () => {
    const { telemetry, names } = telemetryWith({});
    const idle = (name: string) => ({ ...root(name), idle: true });
    const refusal = new AgentCommunicationError("AGENT_NOT_FOUND", "gone");
    await telemetry.span(idle("empty poll"), done);
    await telemetry.span(idle("poll"), async (span) => span.keep());
    await expect(telemetry.span(idle("refused"), fails(refusal))).rejects.toBe(refusal);
    await telemetry.span(idle("failed"), async (span) => span.fail("INTERNAL"));
    expect(await names()).toEqual(["poll", "refused", "failed"]);
  });
});
