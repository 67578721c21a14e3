import type { Metrics } from "../model/statistics.ts";
import type { Log } from "./log.ts";
import type { CounterName, HistogramName } from "./metric-names.ts";

/**
 * What the rest of the code may ask of telemetry. Ids, states, counts and codes only: nothing that a caller wrote freely goes
 * into a name or an attribute. There is no implementation that does nothing: where no telemetry is configured there is none.
 */

/** An undefined value is left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A span under way. */
export interface Span {
  /** Of this span: what is stored, and sent along to whoever goes on. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
  /** Names another trace that this span has to do with. */
  link(traceparent: string): void;
  /** Ended in an error, said by its code; kept whatever the sampling. */
  fail(code: string): void;
  /** Ended in a refusal (4xx), which is an answer, not an error. */
  refuse(code: string): void;
  /** Something happened: an `idle` span is worth keeping after all. */
  keep(): void;
}

/** What a span begins with. */
export interface SpanStart {
  name: string;
  /** `server` for what came from outside, a timer included; `client` for a call of the database. */
  kind: "server" | "client" | "internal";
  attributes?: Attributes;
  /** Usually nothing happens, thousands of times an hour (an empty poll, a heartbeat): kept only by `keep` or `fail`. */
  idle?: boolean;
  /** A place that it continues, instead of the current one; `"none"` begins a trace. Bad ones count as none. */
  parent?: string | undefined;
}

/** A span that is over. */
export interface PastSpan extends SpanStart {
  parent: string;
  links?: readonly string[];
  /** Milliseconds since the epoch. */
  startedAt: number;
  endedAt: number;
}

/** Traces, metrics and logs of a process. */
export interface Telemetry {
  /** Runs `run` in a new span. A rejection fails the span with the error's code and goes on. */
  span<Result>(start: SpanStart, run: (span: Span) => Promise<Result>): Promise<Result>;
  /** Writes down a span that was nobody's call, such as a message's wait in its mailbox. */
  record(past: PastSpan): void;
  count(counter: CounterName, by?: number, attributes?: Attributes): void;
  /** In the unit of the histogram. */
  measure(histogram: HistogramName, value: number, attributes?: Attributes): void;
  /**
   * Where the gauges come from. Asked when metrics are exported, at most once per export interval, and only while `swept` is
   * being called: of many processes those that sweep tell the state of the whole.
   */
  watch(read: () => Promise<Metrics>): void;
  /** This process has swept. */
  swept(): void;
  /** A log that writes to `log` and is exported, too. */
  tee(log: Log): Log;
  /** Exports what is left, for a few seconds at most. Never rejects. */
  stop(): Promise<void>;
}
