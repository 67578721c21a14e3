import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { TestAuthority } from "./certificates.ts";
import { nothingReceived, type Received } from "./received-telemetry.ts";

/**
 * The ingestion endpoint of Application Insights ("breeze"): `POST /v2.1/track` over HTTPS with envelopes as a JSON array or
 * as lines, gzipped or not; answers how many it has accepted. It remembers what it was sent.
 */
export interface BreezeServer {
  /** For APPLICATIONINSIGHTS_CONNECTION_STRING. */
  connectionString: string;
  /** Of the authority that issued its certificate, in PEM: for NODE_EXTRA_CA_CERTS. */
  authority: string;
  received: Received;
  close(): Promise<void>;
}

const properties = z.record(z.string(), z.unknown()).default({});
const tags = z.record(z.string(), z.unknown()).default({});
const envelopeSchema = z.looseObject({
  name: z.string(),
  tags,
  iKey: z.string(),
  data: z.looseObject({ baseType: z.string(), baseData: z.looseObject({ properties }) }),
});
const spanSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  success: z.boolean(),
  resultCode: z.string().optional(),
  responseCode: z.string().optional(),
  url: z.string().optional(),
});
const metricSchema = z.looseObject({
  metrics: z.array(z.looseObject({ name: z.string(), value: z.number(), count: z.number().nullish() })),
});
const messageSchema = z.looseObject({ message: z.string() });
const linksSchema = z.array(z.looseObject({ operation_Id: z.string() }));

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function read(envelope: unknown, received: Received): void {
  const { tags, data } = envelopeSchema.parse(envelope);
  const { baseType, baseData } = data;
  const instance = String(tags["ai.cloud.roleInstance"]);
  const traceId = text(tags["ai.operation.id"]);
  if (baseType === "RequestData" || baseType === "RemoteDependencyData") {
    const { id, name, success } = spanSchema.parse(baseData);
    const { "_MS.links": links, ...attributes } = baseData.properties;
    received.spans.push({
      traceId: traceId ?? "",
      spanId: id,
      parentSpanId: text(tags["ai.operation.parentId"]),
      name,
      kind: baseType,
      attributes,
      links: linksSchema.parse(JSON.parse(text(links) ?? "[]")).map(({ operation_Id }) => operation_Id),
      failed: !success,
      role: String(tags["ai.cloud.role"]),
      instance,
    });
  } else if (baseType === "MetricData") {
    for (const { name, value, count } of metricSchema.parse(baseData).metrics) {
      received.metrics.push({ name, value, count: count ?? 1, attributes: baseData.properties, instance });
    }
  } else if (baseType === "MessageData") {
    received.logs.push({ body: messageSchema.parse(baseData).message, traceId, attributes: baseData.properties });
  }
}

function envelopesOf(body: string): unknown[] {
  if (body.trimStart().startsWith("[")) return z.array(z.unknown()).parse(JSON.parse(body));
  return body
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line): unknown => JSON.parse(line));
}

export async function startBreezeServer(): Promise<BreezeServer> {
  const authority = await TestAuthority.create();
  const { certificate, key } = await authority.server();
  const received = nothingReceived();
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      const contentType = request.headers["content-type"] ?? "";
      received.requests.push({ path, contentType, authorization: request.headers.authorization });
      if (request.method !== "POST" || path !== "/v2.1/track") {
        response.writeHead(404).end();
        return;
      }
      const raw = Buffer.concat(chunks);
      const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw).toString();
      received.texts.push(body);
      const envelopes = envelopesOf(body);
      for (const envelope of envelopes) read(envelope, received);
      const answer = { itemsReceived: envelopes.length, itemsAccepted: envelopes.length, errors: [] };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    connectionString: `InstrumentationKey=11111111-2222-4333-8444-555555555555;IngestionEndpoint=https://localhost:${port}/`,
    authority: authority.certificate,
    received,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
