import type { LogRecordExporter } from "@opentelemetry/sdk-logs";
import { AggregationTemporality, InstrumentType, type PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { OtlpProtocol, TelemetrySettings } from "../../config/telemetry-settings.ts";

/** Where telemetry goes. Each exporter is loaded only where it is used. */

/** One place; a signal that it does not get is absent. */
export interface Destination {
  spans?: SpanExporter | undefined;
  metrics?: PushMetricExporter | undefined;
  logs?: LogRecordExporter | undefined;
}

/** All that the settings name. */
export async function openDestinations(settings: TelemetrySettings): Promise<Destination[]> {
  const { applicationInsights, otlp } = settings;
  const opening: Promise<Destination>[] = [];
  if (applicationInsights !== undefined) {
    opening.push(
      import("./application-insights.ts").then((module) => module.openApplicationInsights(applicationInsights)),
    );
  }
  if (otlp !== undefined) opening.push(openCollector(otlp));
  return Promise.all(opening);
}

/** Addresses, headers, certificates, compression and temporality are read by the exporters from their own OTEL_ variables. */
async function openCollector({ traces, metrics, logs }: NonNullable<TelemetrySettings["otlp"]>): Promise<Destination> {
  const metricExporter = metrics && new (await exportersOf(metrics)).OTLPMetricExporter();
  if (metricExporter !== undefined) forgetGauges(metricExporter);
  return {
    spans: traces && new (await exportersOf(traces)).OTLPTraceExporter(),
    metrics: metricExporter,
    logs: logs && new (await exportersOf(logs)).OTLPLogExporter(),
  };
}

function exportersOf(protocol: OtlpProtocol) {
  return protocol === "http/json" ? import("./otlp-json.ts") : import("./otlp-protobuf.ts");
}

/**
 * A gauge that is not observed is not exported: otherwise a process that sweeps no more would repeat for ever what it saw
 * last. On the wire gauges have no temporality, so this changes nothing else.
 */
function forgetGauges(exporter: PushMetricExporter): void {
  const chosen = exporter.selectAggregationTemporality?.bind(exporter);
  exporter.selectAggregationTemporality = (type) => {
    if (type === InstrumentType.OBSERVABLE_GAUGE) return AggregationTemporality.DELTA;
    return chosen?.(type) ?? AggregationTemporality.CUMULATIVE;
  };
}
