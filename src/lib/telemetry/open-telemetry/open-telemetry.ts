import {
  type Attributes as ApiAttributes,
  type Span as ApiSpan,
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { type Logger, SeverityNumber } from "@opentelemetry/api-logs";
import type { Clock } from "../../model/clock.ts";
import type { Metrics } from "../../model/statistics.ts";
import { formatTraceparent, parseTraceparent } from "../../model/traceparent.ts";
import { currentSpan, currentTraceparent, inTrace } from "../../trace/current-trace.ts";
import { codeOf, isFault } from "../../trace/error-code.ts";
import type { Log, LogFields } from "../../trace/log.ts";
import type { CounterName, HistogramName } from "../../trace/metric-names.ts";
import type { Attributes, PastSpan, Span, SpanStart, Telemetry } from "../../trace/telemetry.ts";
import { Instruments } from "./instruments.ts";
import type { Providers } from "./providers.ts";
import type { IdleSpans } from "./sampling.ts";
import { shutDown } from "./shut-down.ts";
import { WatchedStatistics } from "./watched-statistics.ts";

/** Telemetry by OpenTelemetry's SDK. Nothing is registered globally: what else runs in the process keeps its own. */

const SCOPE = "agent-communication";

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;

export class OpenTelemetry implements Telemetry {
  readonly #providers: Providers;
  readonly #clock: Clock;
  readonly #tracer: Tracer;
  readonly #logger: Logger;
  readonly #instruments: Instruments;
  readonly #statistics: WatchedStatistics;

  constructor(providers: Providers, clock: Clock, metricIntervalMilliseconds: number) {
    this.#providers = providers;
    this.#clock = clock;
    this.#tracer = providers.traces.getTracer(SCOPE);
    this.#logger = providers.logs.getLogger(SCOPE);
    this.#instruments = new Instruments(providers.metrics.getMeter(SCOPE));
    this.#statistics = new WatchedStatistics(clock, metricIntervalMilliseconds);
    this.#instruments.watch(() => this.#statistics.current());
  }

  async span<Result>(start: SpanStart, run: (span: Span) => Promise<Result>): Promise<Result> {
    const { name, kind, attributes = {}, parent, idle = false } = start;
    const options = { kind: KINDS[kind], attributes: defined(attributes) };
    const span = new SpanUnderWay(this.#tracer.startSpan(name, options, parentContext(parent)), this.#providers.idle);
    if (idle) this.#providers.idle.add(span.inner);
    try {
      return await inTrace({ traceparent: span.traceparent, span }, () => run(span));
    } catch (error) {
      const code = codeOf(error);
      if (isFault(error)) span.fail(code);
      else span.refuse(code);
      throw error;
    } finally {
      span.end();
    }
  }

  record({ name, kind, attributes = {}, parent, links = [], startedAt, endedAt }: PastSpan): void {
    const options = {
      kind: KINDS[kind],
      attributes: defined(attributes),
      links: links.flatMap((link) => spanContextOf(link) ?? []).map((context) => ({ context })),
      startTime: startedAt,
    };
    this.#tracer.startSpan(name, options, parentContext(parent)).end(Math.max(startedAt, endedAt));
  }

  count(counter: CounterName, by = 1, attributes: Attributes = {}): void {
    if (by > 0) this.#instruments.count(counter, by, defined(attributes));
  }

  measure(histogram: HistogramName, value: number, attributes: Attributes = {}): void {
    this.#instruments.measure(histogram, value, defined(attributes));
  }

  watch(read: () => Promise<Metrics>): void {
    this.#statistics.watch(read);
  }

  swept(): void {
    this.#statistics.swept();
  }

  tee(log: Log): Log {
    const entry =
      (level: "info" | "error", severityNumber: SeverityNumber) =>
      (event: string, fields: LogFields = {}) => {
        log[level](event, fields);
        const severityText = level.toUpperCase();
        const attributes = defined(fields);
        this.#logger.emit({ severityNumber, severityText, body: event, attributes, context: parentContext(undefined) });
      };
    return { info: entry("info", SeverityNumber.INFO), error: entry("error", SeverityNumber.ERROR) };
  }

  stop(): Promise<void> {
    return shutDown(this.#providers, this.#clock);
  }
}

class SpanUnderWay implements Span {
  readonly traceparent: string;
  readonly inner: ApiSpan;
  readonly #idle: IdleSpans;

  constructor(span: ApiSpan, idle: IdleSpans) {
    this.inner = span;
    this.#idle = idle;
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceparent = formatTraceparent({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 });
  }

  /** For children: the SDK's own, so that they know their parent to be of this process. */
  get context(): Context {
    return trace.setSpan(ROOT_CONTEXT, this.inner);
  }

  set(attributes: Attributes): void {
    this.inner.setAttributes(defined(attributes));
  }

  link(traceparent: string): void {
    const context = spanContextOf(traceparent);
    if (context !== undefined) this.inner.addLink({ context });
  }

  fail(code: string): void {
    this.inner.setStatus({ code: SpanStatusCode.ERROR, message: code });
    this.refuse(code);
  }

  refuse(code: string): void {
    this.keep();
    // Application Insights takes the standard name out again.
    this.inner.setAttributes({ "error.type": code, "agent_communication.error_code": code });
  }

  keep(): void {
    this.#idle.delete(this.inner);
  }

  end(): void {
    this.inner.end();
  }
}

/** Where a span with that parent begins; without one, where the code runs. */
function parentContext(parent: string | undefined): Context {
  if (parent === undefined) {
    const span = currentSpan();
    if (span instanceof SpanUnderWay) return span.context;
  }
  const context = spanContextOf(parent ?? currentTraceparent());
  return context === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, context);
}

function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const parsed = parseTraceparent(traceparent);
  if (parsed === undefined) return undefined;
  const { traceId, spanId, sampled } = parsed;
  return { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

function defined(attributes: Attributes | LogFields): ApiAttributes {
  const kept: ApiAttributes = {};
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
