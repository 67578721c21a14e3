import { z } from "zod";
import { writtenDecimal, writtenWhole } from "../model/written-number.ts";
import { type AzureLogin, type ReadLogin, readAzureLogin } from "./azure-login.ts";
import type { Environment } from "./platform.ts";

/**
 * Where traces, metrics and logs go: Application Insights, an OTLP collector, both, or (undefined) nowhere. The names are the
 * platforms' own; OpenTelemetry's are those of
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */

export const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

const SIGNALS = ["TRACES", "METRICS", "LOGS"] as const;
type Signal = (typeof SIGNALS)[number];

const switched = z
  .string()
  .default("otlp")
  .transform((names) => names.split(",").map((name) => name.trim().toLowerCase()))
  .refine((names) => names.every((name) => name === "otlp" || name === "none"), "must be otlp or none")
  .transform((names) => names.includes("otlp"));
const protocol = z.enum(["http/protobuf", "http/json"], "must be http/protobuf or http/json").optional();
const endpoint = z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).optional();
const milliseconds = (otherwise: number) => writtenWhole(1, 86_400_000).default(otherwise);
const items = (otherwise: number) => writtenWhole(1, 1_000_000).default(otherwise);

const schema = z.object({
  APPLICATIONINSIGHTS_CONNECTION_STRING: z
    .string()
    .regex(/(?:^|;)\s*InstrumentationKey=[0-9a-f-]{36}\s*(?:;|$)/i, "must hold an InstrumentationKey, a GUID")
    .optional(),
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: z
    .string()
    .regex(
      /(?:^|;)\s*Authorization=AAD\s*(?:;|$)/i,
      "must be Authorization=AAD, with ClientId=… for a user-assigned identity",
    )
    .optional(),
  OTEL_SDK_DISABLED: z.string().default("false"),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: protocol,
  OTEL_TRACES_EXPORTER: switched,
  OTEL_METRICS_EXPORTER: switched,
  OTEL_LOGS_EXPORTER: switched,
  OTEL_TRACES_SAMPLER: z.enum(SAMPLERS).default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: writtenDecimal((number) => number.min(0).max(1)).default(1),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds(5_000),
  OTEL_BSP_EXPORT_TIMEOUT: milliseconds(30_000),
  OTEL_BSP_MAX_QUEUE_SIZE: items(2_048),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: items(512),
  OTEL_BLRP_SCHEDULE_DELAY: milliseconds(1_000),
  OTEL_BLRP_EXPORT_TIMEOUT: milliseconds(30_000),
  OTEL_BLRP_MAX_QUEUE_SIZE: items(2_048),
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: items(512),
  OTEL_METRIC_EXPORT_INTERVAL: milliseconds(60_000),
  OTEL_METRIC_EXPORT_TIMEOUT: milliseconds(30_000),
});
type Settings = z.output<typeof schema>;

/** What waits in memory for its export, at most; what comes on top is dropped. */
export interface BatchSettings {
  scheduledDelayMillis: number;
  exportTimeoutMillis: number;
  maxQueueSize: number;
  maxExportBatchSize: number;
}

export type OtlpProtocol = "http/protobuf" | "http/json";

export interface TelemetrySettings {
  /** What the process is called where its telemetry is looked at, when OTEL_SERVICE_NAME does not say. */
  serviceName: string;
  /** `login`: where the resource takes no keys; without it the connection string is enough. */
  applicationInsights: { connectionString: string; login: AzureLogin | undefined } | undefined;
  /** The protocol of each signal that goes to a collector. */
  otlp: Readonly<Partial<Record<Lowercase<Signal>, OtlpProtocol>>> | undefined;
  sampler: (typeof SAMPLERS)[number];
  /** Share of traces that the ratio samplers keep. */
  samplingRatio: number;
  spans: BatchSettings;
  logs: BatchSettings;
  metrics: { exportIntervalMillis: number; exportTimeoutMillis: number };
}

/** The settings, undefined when nothing is to be exported, or all that is wrong with them. Problems hold no secret. */
export function readTelemetrySettings(environment: Environment): { settings?: TelemetrySettings; problems: string[] } {
  const endpoints = [
    environment.OTEL_EXPORTER_OTLP_ENDPOINT,
    ...SIGNALS.map((signal) => endpointOf(signal, environment)),
  ];
  const wanted = [environment.APPLICATIONINSIGHTS_CONNECTION_STRING, ...endpoints].some((value) => value !== undefined);
  // A machine may hold OTEL_ variables for others: without a destination they are not ours to judge.
  if (!wanted || environment.OTEL_SDK_DISABLED?.toLowerCase() === "true") return { problems: [] };
  const parsed = schema.safeParse(environment);
  if (!parsed.success) {
    return { problems: parsed.error.issues.map((issue) => `${issue.path.map(String).join(".")}: ${issue.message}`) };
  }
  const settings = parsed.data;
  const { login, problems } = loginOf(settings, environment);
  if (problems.length > 0) return { problems };
  const connectionString = settings.APPLICATIONINSIGHTS_CONNECTION_STRING;
  return {
    problems: [],
    settings: {
      serviceName: environment.WEBSITE_SITE_NAME ?? "agent-communication",
      applicationInsights: connectionString === undefined ? undefined : { connectionString, login },
      otlp: otlpOf(settings),
      sampler: settings.OTEL_TRACES_SAMPLER,
      samplingRatio: settings.OTEL_TRACES_SAMPLER_ARG,
      spans: {
        scheduledDelayMillis: settings.OTEL_BSP_SCHEDULE_DELAY,
        exportTimeoutMillis: settings.OTEL_BSP_EXPORT_TIMEOUT,
        maxQueueSize: settings.OTEL_BSP_MAX_QUEUE_SIZE,
        maxExportBatchSize: Math.min(settings.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, settings.OTEL_BSP_MAX_QUEUE_SIZE),
      },
      logs: {
        scheduledDelayMillis: settings.OTEL_BLRP_SCHEDULE_DELAY,
        exportTimeoutMillis: settings.OTEL_BLRP_EXPORT_TIMEOUT,
        maxQueueSize: settings.OTEL_BLRP_MAX_QUEUE_SIZE,
        maxExportBatchSize: Math.min(settings.OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, settings.OTEL_BLRP_MAX_QUEUE_SIZE),
      },
      metrics: {
        exportIntervalMillis: settings.OTEL_METRIC_EXPORT_INTERVAL,
        exportTimeoutMillis: Math.min(settings.OTEL_METRIC_EXPORT_TIMEOUT, settings.OTEL_METRIC_EXPORT_INTERVAL),
      },
    },
  };
}

function endpointOf(signal: Signal, from: Environment | Settings): string | undefined {
  return from[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`];
}

function otlpOf(settings: Settings): TelemetrySettings["otlp"] {
  const entries = SIGNALS.filter((signal) => {
    const somewhere = settings.OTEL_EXPORTER_OTLP_ENDPOINT ?? endpointOf(signal, settings);
    return somewhere !== undefined && settings[`OTEL_${signal}_EXPORTER`];
  }).map((signal) => {
    const own = settings[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`];
    return [signal.toLowerCase(), own ?? settings.OTEL_EXPORTER_OTLP_PROTOCOL ?? "http/protobuf"] as const;
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** `Authorization=AAD;ClientId=…`, as the Functions host reads it, too: the id is that of a user-assigned identity. */
function loginOf(settings: Settings, environment: Environment): ReadLogin {
  const text = settings.APPLICATIONINSIGHTS_AUTHENTICATION_STRING;
  if (text === undefined) return { problems: [] };
  const clientId = /(?:^|;)\s*ClientId=([^;\s]+)/i.exec(text)?.[1];
  if (clientId !== undefined) return { login: { type: "managed-identity", clientId }, problems: [] };
  return readAzureLogin(environment);
}
