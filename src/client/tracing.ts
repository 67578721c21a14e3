import {
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { formatTraceparent, parseTraceparent } from "../lib/model/traceparent.ts";

/**
 * Traces on the agents' side, by OpenTelemetry's API: it does nothing in a process that has registered no SDK. Even then a
 * message's trace is handed on with the calls that settle it.
 */

const TRACER = "agent-communication/client";

/** What an SDK or an exporter of the user's throws must neither fail nor stop the work that is traced. */
function quietly<Result>(ask: () => Result): Result | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/** What a call sends as its `traceparent`: what its caller says, or else the span under way. Never throws. */
export function traceparentToSend(explicit: string | undefined): string | undefined {
  return explicit ?? quietly(() => traceparentOf(trace.getActiveSpan()));
}

function traceparentOf(span: Span | undefined): string | undefined {
  const found = span?.spanContext();
  if (found === undefined || !trace.isSpanContextValid(found)) return undefined;
  return formatTraceparent({ ...found, sampled: (found.traceFlags & TraceFlags.SAMPLED) !== 0 });
}

/** What is worked on in a span of its own. */
export interface TracedWork {
  name: string;
  kind: "producer" | "consumer";
  /** Of what is worked on: the span continues it; absent: it is part of what goes on. */
  traceparent?: string | undefined;
  attributes: Readonly<Record<string, string | number>>;
}

/** How the work ended: a word, and whether it went wrong. */
export interface WorkOutcome {
  outcome: string;
  failed: boolean;
  /** What else the span is to say. */
  attributes?: Readonly<Record<string, string | number>> | undefined;
}

/**
 * Runs `work` in a span that continues the trace of what is worked on; what it calls meanwhile belongs to that. Tracing that
 * fails is left out: the work is done, once, all the same.
 *
 * @param work gets the `traceparent` to send along: of the span, or, without an SDK, what came in
 * @param outcomeOf what the span is to say of the result
 */
export function inSpan<Result>(
  { name, kind, traceparent, attributes }: TracedWork,
  work: (traceparent: string | undefined) => Promise<Result>,
  outcomeOf: (result: Result) => WorkOutcome,
): Promise<Result> {
  const options = { kind: kind === "producer" ? SpanKind.PRODUCER : SpanKind.CONSUMER, attributes };
  const parent = quietly(() => (traceparent === undefined ? context.active() : contextOf(traceparent)));
  const span = quietly(() => trace.getTracer(TRACER).startSpan(name, options, parent));
  if (parent === undefined || span === undefined) return work(traceparent);
  let running: Promise<Result> | undefined;
  const run = (): Promise<Result> => {
    running ??= traced(span, () => work(quietly(() => traceparentOf(span))), outcomeOf);
    return running;
  };
  // A context manager that fails may have begun the work or not.
  return quietly(() => context.with(trace.setSpan(parent, span), run)) ?? run();
}

async function traced<Result>(
  span: Span,
  work: () => Promise<Result>,
  outcomeOf: (result: Result) => WorkOutcome,
): Promise<Result> {
  try {
    const result = await work();
    const { outcome, failed, attributes = {} } = outcomeOf(result);
    quietly(() => span.setAttributes({ ...attributes, "agent_communication.outcome": outcome }));
    if (failed) quietly(() => span.setStatus({ code: SpanStatusCode.ERROR }));
    return result;
  } catch (error) {
    quietly(() => span.setStatus({ code: SpanStatusCode.ERROR }));
    throw error;
  } finally {
    quietly(() => span.end());
  }
}

function contextOf(traceparent: string | undefined): Context {
  const parsed = parseTraceparent(traceparent);
  if (parsed === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, sampled } = parsed;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}
