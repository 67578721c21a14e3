/** What the hammering processes tell the test: one JSON object a line. */
export type Event =
  | { event: "ready" | "done" | "unavailable" }
  | { event: "defect"; message: string }
  | { event: "sent"; messageId: string }
  | { event: "leased"; messageId: string; attempt: number; type: string; until: number }
  | { event: "settling"; messageId: string; attempt: number; outcome: string }
  | { event: "settled"; messageId: string; attempt: number; outcome: string; status: string }
  | { event: "assigned"; taskId: string }
  | { event: "finished"; taskId: string; attempt: number };

/** Short, so that leases end while others are at work. */
export const LEASE_MILLISECONDS = 250;

export const WORKERS: readonly string[] = ["worker-1", "worker-2", "worker-3"];
export const AGENTS: readonly string[] = ["boss", ...WORKERS];
