import {
  type Attributes,
  type Context,
  type Link,
  type SpanKind,
  SpanStatusCode,
  TraceFlags,
} from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SamplingResult,
  type Span,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { TelemetrySettings } from "../../config/telemetry-settings.ts";

/**
 * Which traces are kept. What is not sampled is still recorded, so that a span that turns out to be an error can be kept: the
 * span alone, since by then those that began and ended before it are gone.
 */

/** How Application Insights calls the percentage that a kept span stands for; it counts with it. */
const SAMPLE_RATE = "microsoft.sample_rate";

export class RecordingSampler implements Sampler {
  readonly #inner: Sampler;
  /** Said on each sampled span; undefined when all are kept, or nobody reads it. */
  readonly #rate: Readonly<Attributes> | undefined;

  constructor(settings: Pick<TelemetrySettings, "sampler" | "samplingRatio" | "applicationInsights">) {
    this.#inner = samplerOf(settings);
    const partly = settings.sampler.endsWith("traceidratio") && settings.samplingRatio < 1;
    if (partly && settings.applicationInsights) this.#rate = { [SAMPLE_RATE]: settings.samplingRatio * 100 };
  }

  shouldSample(
    context: Context,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    const result = this.#inner.shouldSample(context, traceId, name, kind, attributes, links);
    if (result.decision === SamplingDecision.NOT_RECORD) return { ...result, decision: SamplingDecision.RECORD };
    return this.#rate === undefined ? result : { ...result, attributes: { ...result.attributes, ...this.#rate } };
  }

  toString(): string {
    return `Recording{${this.#inner.toString()}}`;
  }
}

function samplerOf({ sampler, samplingRatio }: Pick<TelemetrySettings, "sampler" | "samplingRatio">): Sampler {
  switch (sampler) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(samplingRatio);
    case "parentbased_always_on":
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplingRatio) });
  }
}

/** Spans in which nothing happened; whoever runs a span takes it in and out. */
export type IdleSpans = WeakSet<object>;

/** Hands sampled spans on, but for idle ones, and of all others those that are errors. */
export class SpanFilter implements SpanProcessor {
  readonly #next: SpanProcessor;
  readonly #idle: IdleSpans;

  constructor(next: SpanProcessor, idle: IdleSpans) {
    this.#next = next;
    this.#idle = idle;
  }

  onStart(span: Span, parent: Context): void {
    this.#next.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    const context = span.spanContext();
    const sampled = (context.traceFlags & TraceFlags.SAMPLED) !== 0;
    const failed = span.status.code === SpanStatusCode.ERROR;
    if (sampled && (failed || !this.#idle.has(span))) this.#next.onEnd(span);
    else if (failed) this.#next.onEnd(asSampled(span));
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}

/** The batch processor passes over what is not flagged as sampled. */
function asSampled(span: ReadableSpan): ReadableSpan {
  const context = { ...span.spanContext(), traceFlags: TraceFlags.SAMPLED };
  return Object.create(span, { spanContext: { value: () => context } });
}
