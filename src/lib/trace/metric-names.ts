/**
 * Every metric of ours, the one place that names them: alerts and the workbook (infra/modules) and docs/telemetry.md speak of
 * these, and test/static/infra checks that they do. Attributes are
 * closed sets (states, codes, routes by template, names of store verbs), so the number of series is bounded.
 */

/** Added up by each process since its last export; the sum over all processes is what happened. */
export const COUNTERS = {
  "agent_communication.messages.sent": "Messages accepted; repeats of a send are not counted again.",
  "agent_communication.messages.received": "Messages handed out under a lease.",
  "agent_communication.messages.redelivered": "Messages handed out that had been handed out before.",
  "agent_communication.messages.settled":
    "Settlements, by `outcome`: completed, queued, dead_lettered, lease_lost, not_found.",
  "agent_communication.messages.dead_lettered": "Messages given up, by `by`: receiver or sweep.",
  "agent_communication.messages.expired": "Messages whose time to live ended, as the sweep recorded it.",
  "agent_communication.leases.ended": "Leases that ended without a settlement, as the sweep found them.",
  "agent_communication.tasks.assigned": "Tasks given to a worker, by `how`: at_once or handed_out (by the sweep).",
  "agent_communication.tasks.started": "Attempts that began.",
  "agent_communication.tasks.completed": "Tasks completed.",
  "agent_communication.tasks.failed": "Tasks that failed permanently, as their worker reported.",
  "agent_communication.tasks.cancelled": "Tasks cancelled before a worker had started them.",
  "agent_communication.workflows.created": "Workflows created.",
  "agent_communication.schedules.fired": "Tasks and workflows that schedules have created, triggers included.",
  "agent_communication.tasks.retried":
    "Attempts that ended without success and are tried again, by `by`: worker or sweep.",
  "agent_communication.tasks.timed_out": "Attempts that exceeded their deadline.",
  "agent_communication.tasks.abandoned": "Attempts taken from agents that had fallen silent.",
  "agent_communication.tasks.not_started": "Attempts that were not started within startTimeoutSeconds.",
  "agent_communication.agents.registered": "Registrations, of new and of existing agents.",
  "agent_communication.agents.heartbeats": "Heartbeats accepted.",
  "agent_communication.agents.silenced": "Agents that became inactive because they were silent.",
  "agent_communication.refusals": "Requests answered with an error, by `code` and `route`.",
  "agent_communication.sweep.runs": "Sweeps, by `outcome`: ok or an error code.",
  "agent_communication.maintenance.runs": "Maintenance runs, by `outcome`: ok or an error code.",
  "agent_communication.store.transient_faults":
    "Faults of the database that were tried again, by `error`: its number or code.",
  "agent_communication.store.lost_races": "Batches that lost a race against another transaction and were run again.",
} as const;

/** Read from the store's statistics, only by a process that sweeps: they are of the whole system, not to be added up. */
export const GAUGES = {
  "agent_communication.queue.depth": { unit: "{message}", description: "Messages that wait or are leased." },
  "agent_communication.queue.leased": { unit: "{message}", description: "Messages under a lease." },
  "agent_communication.queue.oldest_age_seconds": { unit: "s", description: "Age of the longest waiting message." },
  "agent_communication.dead_letters": { unit: "{message}", description: "Dead letters kept." },
  "agent_communication.agents.active": { unit: "{agent}", description: "Active agents, of every role." },
  "agent_communication.agents.utilisation": { unit: "1", description: "Mean load of active workers, 0 to 1." },
  "agent_communication.tasks.open": { unit: "{task}", description: "Tasks that have not ended, by `status`." },
  "agent_communication.tasks.ended": {
    unit: "{task}",
    description: "Tasks that have ended so far, by `outcome`: completed or failed.",
  },
  "agent_communication.tasks.attempts": {
    unit: "{attempt}",
    description:
      "Attempts that ended without success so far, by `outcome`: failed, as their agents said, or lost (silence, timeout, release).",
  },
  "agent_communication.usage.tokens": {
    unit: "{token}",
    description:
      "Tokens of models that attempts have reported so far, by `type`: input (cached ones included) or output (reasoning included).",
  },
  "agent_communication.usage.cost_micros": {
    unit: "{micro_usd}",
    description: "What these have cost so far, as reported, in millionths of a US dollar.",
  },
} as const;

/** How long something took; milliseconds, but for the one whose name and unit are OpenTelemetry's. */
export const HISTOGRAMS = {
  "http.server.request.duration": {
    unit: "s",
    description: "Requests of a route, by method, route and status; long polls include their wait.",
  },
  "agent_communication.store.round_trip": {
    unit: "ms",
    description: "From the call of a store verb to its answer, with queueing and retries, by `verb` and `outcome`.",
  },
  "agent_communication.messages.wait": {
    unit: "ms",
    description: "From the moment a message could be delivered to its delivery, by `type`.",
  },
} as const;

export type CounterName = keyof typeof COUNTERS;
export type GaugeName = keyof typeof GAUGES;
export type HistogramName = keyof typeof HISTOGRAMS;
