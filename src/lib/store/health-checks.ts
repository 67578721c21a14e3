import type { Health } from "../model/statistics.ts";

/** What both engines answer and assume when they are asked for their health. */

/** Neither a read nor a write gets through. */
export const NOTHING_ANSWERS: Health["checks"] = {
  databaseConnection: false,
  messageQueueOperational: false,
  agentRegistryAccessible: false,
  recentActivity: false,
};

/** A write this young says that the next one will succeed: a probe costs a commit, and anybody may ask for health. */
export const PROVEN_WRITE_MILLISECONDS = 5_000;
