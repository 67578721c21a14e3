import type { Attributes, Counter, Histogram, Meter, ObservableGauge } from "@opentelemetry/api";
import type { Metrics } from "../../model/statistics.ts";
import {
  COUNTERS,
  type CounterName,
  GAUGES,
  type GaugeName,
  HISTOGRAMS,
  type HistogramName,
} from "../../trace/metric-names.ts";

/** The instruments behind the names. */

/** Milliseconds; in seconds for what is measured in them. Long polls last up to 20 s, waits in a mailbox for hours. */
const BOUNDARIES = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 600_000, 3_600_000,
];

export class Instruments {
  readonly #meter: Meter;
  readonly #counters = new Map<CounterName, Counter>();
  readonly #histograms = new Map<HistogramName, Histogram>();

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  count(name: CounterName, by: number, attributes: Attributes): void {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = this.#meter.createCounter(name, { description: COUNTERS[name] });
      this.#counters.set(name, counter);
    }
    counter.add(by, attributes);
  }

  measure(name: HistogramName, value: number, attributes: Attributes): void {
    let histogram = this.#histograms.get(name);
    if (histogram === undefined) {
      const { unit, description } = HISTOGRAMS[name];
      const explicitBucketBoundaries = unit === "s" ? BOUNDARIES.map((boundary) => boundary / 1_000) : BOUNDARIES;
      histogram = this.#meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } });
      this.#histograms.set(name, histogram);
    }
    histogram.record(value, attributes);
  }

  /** Asks `read` whenever gauges are exported; undefined: nothing to tell. */
  watch(read: () => Promise<Metrics | undefined>): void {
    const gauges = new Map<GaugeName, ObservableGauge>();
    for (const name of Object.keys(GAUGES) as GaugeName[])
      gauges.set(name, this.#meter.createObservableGauge(name, GAUGES[name]));
    this.#meter.addBatchObservableCallback(
      async (result) => {
        const metrics = await read();
        if (metrics === undefined) return;
        for (const { name, value, attributes } of observations(metrics)) {
          const gauge = gauges.get(name);
          if (gauge !== undefined) result.observe(gauge, value, attributes);
        }
      },
      [...gauges.values()],
    );
  }
}

interface Observation {
  name: GaugeName;
  value: number;
  attributes?: Attributes;
}

const OPEN = ["blocked", "pending", "assigned", "running", "input_required"] as const;

const ENDED = [
  { outcome: "completed", total: "tasksCompleted" },
  { outcome: "failed", total: "tasksFailed" },
] as const;

const UNSUCCESSFUL = [
  { outcome: "failed", total: "attemptsFailed" },
  { outcome: "lost", total: "attemptsLost" },
] as const;

const TOKENS = [
  { type: "input", count: "inputTokens" },
  { type: "output", count: "outputTokens" },
] as const;

function observations({ queue, registry, coordination }: Metrics): Observation[] {
  return [
    { name: "agent_communication.queue.depth", value: queue.byStatus.queued },
    { name: "agent_communication.queue.leased", value: queue.byStatus.leased },
    { name: "agent_communication.queue.oldest_age_seconds", value: queue.oldestAgeSeconds },
    { name: "agent_communication.dead_letters", value: queue.deadLetters },
    { name: "agent_communication.agents.active", value: registry.activeAgents },
    { name: "agent_communication.agents.utilisation", value: registry.averageLoad },
    ...OPEN.map((status) => ({
      name: "agent_communication.tasks.open" as const,
      value: coordination.byStatus[status],
      attributes: { status },
    })),
    ...ENDED.map(({ outcome, total }) => ({
      name: "agent_communication.tasks.ended" as const,
      value: coordination.metrics[total],
      attributes: { outcome },
    })),
    ...UNSUCCESSFUL.map(({ outcome, total }) => ({
      name: "agent_communication.tasks.attempts" as const,
      value: coordination.metrics[total],
      attributes: { outcome },
    })),
    ...TOKENS.map(({ type, count }) => ({
      name: "agent_communication.usage.tokens" as const,
      value: coordination.metrics.usage[count],
      attributes: { type },
    })),
    { name: "agent_communication.usage.cost_micros", value: coordination.metrics.usage.costMicros },
  ];
}
