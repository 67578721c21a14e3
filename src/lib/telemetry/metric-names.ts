/**
 * The names of the metrics that we emit through OpenTelemetry. Alerts and the workbook (infra/modules) ask for them by name, so
 * they stand once; test/infra checks both sides against this list. Units are UCUM, as OpenTelemetry has them.
 *
 * A gauge tells of the whole system, not of one process: the sweep records it each time it ran, in whichever process that was,
 * so the latest or greatest value of an interval is the value. Counters and histograms are of each process and are added up.
 */
export const METRICS = {
  queueDepth: {
    name: "agent_communication.queue.depth",
    kind: "gauge",
    unit: "{message}",
    description: "Messages that are queued or leased.",
  },
  queueOldestAge: {
    name: "agent_communication.queue.oldest_age_seconds",
    kind: "gauge",
    unit: "s",
    description: "Age of the longest waiting message that could be delivered now.",
  },
  deadLetters: {
    name: "agent_communication.dead_letters",
    kind: "gauge",
    unit: "{message}",
    description: "Messages that are dead-lettered and not yet redriven or purged.",
  },
  tasksCompleted: {
    name: "agent_communication.tasks.completed",
    kind: "counter",
    unit: "{task}",
    description: "Tasks that ended completed.",
  },
  tasksFailed: {
    name: "agent_communication.tasks.failed",
    kind: "counter",
    unit: "{task}",
    description: "Tasks that failed for good.",
  },
  agentsActive: {
    name: "agent_communication.agents.active",
    kind: "gauge",
    unit: "{agent}",
    description: "Agents that are active.",
  },
  agentsUtilisation: {
    name: "agent_communication.agents.utilisation",
    kind: "gauge",
    unit: "1",
    description: "Mean load of active workers with capacity, 0 to 1.",
  },
  messagesSent: {
    name: "agent_communication.messages.sent",
    kind: "counter",
    unit: "{message}",
    description: "Messages accepted.",
  },
  messagesReceived: {
    name: "agent_communication.messages.received",
    kind: "counter",
    unit: "{message}",
    description: "Messages leased to a receiver, repeats of a lost answer left out.",
  },
  messagesSettled: {
    name: "agent_communication.messages.settled",
    kind: "counter",
    unit: "{message}",
    description: "Messages completed, returned or dead-lettered, by the attribute outcome.",
  },
  storeRoundTrip: {
    name: "agent_communication.store.round_trip",
    kind: "histogram",
    unit: "ms",
    description: "Time of one round trip to the store.",
  },
  storeTransientFaults: {
    name: "agent_communication.store.transient_faults",
    kind: "counter",
    unit: "{fault}",
    description: "Faults of the store that were tried again, by the attribute number.",
  },
  sweepRuns: {
    name: "agent_communication.sweep.runs",
    kind: "counter",
    unit: "{run}",
    description: "Sweeps that ran to their end.",
  },
} as const;
