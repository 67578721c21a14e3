import {
  AzureMonitorLogExporter,
  AzureMonitorMetricExporter,
  AzureMonitorTraceExporter,
} from "@azure/monitor-opentelemetry-exporter";
import { SpanKind } from "@opentelemetry/api";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { TelemetrySettings } from "../../config/telemetry-settings.ts";
import { credentialOf } from "../../security/azure-credential.ts";
import type { Destination } from "./destinations.ts";

/** Application Insights, by its ingestion protocol. */

type Settings = NonNullable<TelemetrySettings["applicationInsights"]>;

/** The exporter's own statistics go to Microsoft, and nobody has asked for them; whoever wants them sets it to nothing. */
const NO_STATISTICS = "APPLICATION_INSIGHTS_NO_STATSBEAT";

export async function openApplicationInsights({ connectionString, login }: Settings): Promise<Destination> {
  process.env[NO_STATISTICS] ??= "true";
  const credential = login === undefined ? undefined : await credentialOf(login);
  // What cannot be delivered is dropped, not written to a disk on which nobody looks for it.
  const options = { connectionString, disableOfflineStorage: true, ...(credential && { credential }) };
  return {
    spans: namingConsumers(new AzureMonitorTraceExporter(options)),
    metrics: new AzureMonitorMetricExporter(options),
    logs: new AzureMonitorLogExporter(options),
  };
}

/** Consumers are requests there, and the exporter takes the name of a request from an attribute that only servers have. */
function namingConsumers(exporter: SpanExporter): SpanExporter {
  return {
    export: (spans, done) => exporter.export(spans.map(named), done),
    shutdown: () => exporter.shutdown(),
  };
}

function named(span: ReadableSpan): ReadableSpan {
  if (span.kind !== SpanKind.CONSUMER) return span;
  const attributes = { ...span.attributes, "ai.operation.name": span.name };
  return Object.create(span, { attributes: { value: attributes } });
}
