/** What a receiver of telemetry got, in the words that all protocols have in common. */

export type Values = Readonly<Record<string, unknown>>;

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  /** OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer; Application Insights: the type of its item. */
  kind: string;
  attributes: Values;
  /** Trace ids of its links. */
  links: readonly string[];
  failed: boolean;
  /** Of the process. */
  role: string;
  instance: string;
}

export interface ReceivedMetric {
  name: string;
  value: number;
  /** Of a histogram: how many were measured. */
  count: number;
  attributes: Values;
  instance: string;
}

export interface ReceivedLog {
  body: string;
  traceId: string | undefined;
  attributes: Values;
}

/** Everything that arrived so far. */
export interface Received {
  spans: ReceivedSpan[];
  metrics: ReceivedMetric[];
  logs: ReceivedLog[];
  /** All bodies as they came, unpacked. */
  texts: string[];
  requests: { path: string; contentType: string; authorization: string | undefined }[];
}

export function nothingReceived(): Received {
  return { spans: [], metrics: [], logs: [], texts: [], requests: [] };
}

/** The spans of a trace and how they hang together: a line for each, indented below its parent. */
export function drawTrace(spans: readonly ReceivedSpan[], traceId: string): string {
  const own = spans.filter((span) => span.traceId === traceId);
  const ids = new Set(own.map(({ spanId }) => spanId));
  const below = (parent: string | undefined, depth: number): string[] =>
    own
      .filter((span) => (parent === undefined ? !ids.has(span.parentSpanId ?? "") : span.parentSpanId === parent))
      .flatMap((span) => [`${"  ".repeat(depth)}${span.name}`, ...below(span.spanId, depth + 1)]);
  return below(undefined, 0).join("\n");
}
