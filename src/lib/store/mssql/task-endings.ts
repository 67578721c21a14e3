/**
 * How attempts end, and how tasks end: each once, with everything that follows. Set-based: one pass for the calls of a batch
 * as for the 10,000 tasks of an agent that fell silent.
 */

/** How attempts were lost without completing; T-SQL expressions over the \`t\` of the source. */
export interface Loss {
  /** failed, timed_out, agent_inactive or released. */
  outcome: string;
  /** What the task fails with when no retry is left. */
  error: string;
  /** 1 or 0. */
  retryable: string;
  answered?: 0 | 1;
  /** 1 where the loss uses a retry, or 0; left out: it does. */
  costs?: string;
  /** Who gave it up; left out: the switchboard took it. */
  actor?: string;
}
