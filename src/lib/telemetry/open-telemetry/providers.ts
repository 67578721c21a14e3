import { setGlobalErrorHandler } from "@opentelemetry/core";
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { TelemetrySettings } from "../../config/telemetry-settings.ts";
import { newId } from "../../model/ids.ts";
import type { Destination } from "./destinations.ts";
import { type IdleSpans, RecordingSampler, SpanFilter } from "./sampling.ts";

/** The SDK's providers over the destinations. Every queue is bounded, and every timer lets the process end. */

export interface Providers {
  traces: TracerProvider;
  metrics: MeterProvider;
  logs: LoggerProvider;
  idle: IdleSpans;
}

/** Longer than any id or code; a net below the rule that nothing else gets into an attribute. */
const ATTRIBUTE_MAX_CHARACTERS = 256;
/** Stacks of errors in logs are longer. */
const LOG_ATTRIBUTE_MAX_CHARACTERS = 2_048;

/** @param onError told of each failed export; must not throw */
export function createProviders(
  settings: TelemetrySettings,
  destinations: readonly Destination[],
  now: number,
  onError: () => void,
): Providers {
  // Otherwise each failed export would be a line of the SDK's own, with all that it knows of the error.
  setGlobalErrorHandler(onError);
  const resource = describe(settings, now);
  const idle: IdleSpans = new WeakSet();
  return {
    idle,
    traces: new TracerProvider({
      resource,
      sampler: new RecordingSampler(settings),
      spanLimits: { attributeValueLengthLimit: ATTRIBUTE_MAX_CHARACTERS },
      spanProcessors: destinations.flatMap(({ spans: exporter }) =>
        exporter === undefined ? [] : new SpanFilter(new BatchSpanProcessor({ ...settings.spans, exporter }), idle),
      ),
    }),
    metrics: new MeterProvider({
      resource,
      readers: destinations.flatMap(({ metrics: exporter }) =>
        exporter === undefined ? [] : new PeriodicExportingMetricReader({ ...settings.metrics, exporter }),
      ),
    }),
    logs: new LoggerProvider({
      resource,
      logRecordLimits: { attributeValueLengthLimit: LOG_ATTRIBUTE_MAX_CHARACTERS },
      processors: destinations.flatMap(({ logs: exporter }) =>
        exporter === undefined ? [] : new BatchLogRecordProcessor({ ...settings.logs, exporter }),
      ),
    }),
  };
}

/** Which process this is; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word. */
function describe({ serviceName }: TelemetrySettings, now: number): Resource {
  const instance = process.env.WEBSITE_INSTANCE_ID ?? newId(now);
  return defaultResource()
    .merge(resourceFromAttributes({ "service.name": serviceName, "service.instance.id": instance }))
    .merge(detectResources({ detectors: [envDetector] }));
}
