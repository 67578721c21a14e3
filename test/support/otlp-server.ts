import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { nothingReceived, type Received, type Values } from "./received-telemetry.ts";

/**
 * A collector that speaks OTLP over HTTP with JSON, as https://opentelemetry.io/docs/specs/otlp/#otlphttp says, and remembers
 * what it was sent.
 */
export interface OtlpServer {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  endpoint: string;
  received: Received;
  close(): Promise<void>;
}

const value = z
  .looseObject({
    stringValue: z.string(),
    intValue: z.union([z.string(), z.number()]),
    doubleValue: z.number(),
    boolValue: z.boolean(),
  })
  .partial();
const attributes = z.array(z.looseObject({ key: z.string(), value })).default([]);
const resource = z.looseObject({ attributes });
const spanSchema = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  attributes,
  links: z.array(z.looseObject({ traceId: z.string() })).default([]),
  status: z.looseObject({ code: z.number().optional() }).default({}),
});
const tracesSchema = z.looseObject({
  resourceSpans: z.array(
    z.looseObject({ resource, scopeSpans: z.array(z.looseObject({ spans: z.array(spanSchema) })) }),
  ),
});
const pointSchema = z.looseObject({
  attributes,
  asInt: z.union([z.string(), z.number()]).optional(),
  asDouble: z.number().optional(),
  sum: z.number().optional(),
  count: z.union([z.string(), z.number()]).optional(),
});
const dataSchema = z.looseObject({ dataPoints: z.array(pointSchema) }).optional();
const metricSchema = z.looseObject({ name: z.string(), sum: dataSchema, gauge: dataSchema, histogram: dataSchema });
const metricsSchema = z.looseObject({
  resourceMetrics: z.array(
    z.looseObject({ resource, scopeMetrics: z.array(z.looseObject({ metrics: z.array(metricSchema) })) }),
  ),
});
const logSchema = z.looseObject({ body: value, traceId: z.string().optional(), attributes });
const logsSchema = z.looseObject({
  resourceLogs: z.array(z.looseObject({ scopeLogs: z.array(z.looseObject({ logRecords: z.array(logSchema) })) })),
});

function plain({ stringValue, intValue, doubleValue, boolValue }: z.infer<typeof value>): unknown {
  return stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue));
}

function valuesOf(list: z.infer<typeof attributes>): Values {
  return Object.fromEntries(list.map(({ key, value }) => [key, plain(value)]));
}

function readTraces(body: unknown, received: Received): void {
  for (const { resource, scopeSpans } of tracesSchema.parse(body).resourceSpans) {
    const process = valuesOf(resource.attributes);
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
      received.spans.push({
        ...span,
        parentSpanId: span.parentSpanId || undefined,
        kind: String(span.kind),
        attributes: valuesOf(span.attributes),
        links: span.links.map(({ traceId }) => traceId),
        failed: span.status.code === 2,
        role: String(process["service.name"]),
        instance: String(process["service.instance.id"]),
      });
    }
  }
}

function readMetrics(body: unknown, received: Received): void {
  for (const { resource, scopeMetrics } of metricsSchema.parse(body).resourceMetrics) {
    const instance = String(valuesOf(resource.attributes)["service.instance.id"]);
    for (const { name, sum, gauge, histogram } of scopeMetrics.flatMap(({ metrics }) => metrics)) {
      for (const point of (sum ?? gauge ?? histogram)?.dataPoints ?? []) {
        const measured = Number(point.asInt ?? point.asDouble ?? point.sum ?? 0);
        const attributes = valuesOf(point.attributes);
        received.metrics.push({ name, value: measured, count: Number(point.count ?? 1), attributes, instance });
      }
    }
  }
}

function readLogs(body: unknown, received: Received): void {
  const records = logsSchema.parse(body).resourceLogs.flatMap(({ scopeLogs }) => scopeLogs);
  for (const { body: text, traceId, attributes } of records.flatMap(({ logRecords }) => logRecords)) {
    received.logs.push({ body: String(plain(text)), traceId, attributes: valuesOf(attributes) });
  }
}

const READERS: Readonly<Record<string, (body: unknown, received: Received) => void>> = {
  "/v1/traces": readTraces,
  "/v1/metrics": readMetrics,
  "/v1/logs": readLogs,
};

export async function startOtlpServer(): Promise<OtlpServer> {
  const received = nothingReceived();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      const contentType = request.headers["content-type"] ?? "";
      const body = Buffer.concat(chunks);
      const unpacked = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      received.requests.push({ path, contentType, authorization: request.headers.authorization });
      received.texts.push(unpacked.toString());
      if (contentType === "application/json") READERS[path]?.(JSON.parse(unpacked.toString()), received);
      response.writeHead(200, { "content-type": contentType }).end(contentType === "application/json" ? "{}" : "");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
