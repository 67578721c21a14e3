/**
 * Handing out waiting tasks in rank order: availableAt − headStart(priority), then the order of creation.
 */

/**
 * What HAND_OUT works with: `@freed` agents that may have room now, `@unblocked` tasks that wait since now, and at most
 * `@handOutLimit` tasks to hand out (to be set). Needs DECLARE_COUNTS and DECLARE_DELIVERABLE.
 */
export const DECLARE_HAND_OUT = `DECLARE @freed TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @unblocked TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @handOutLimit int, @handedOut int = 0;
`;

/** Hands out the tasks that a freed agent, or anybody who can take an unblocked task, may take. After the COMMIT. */
export const HAND_OUT = "";

/** For callers that know where tasks wait: demands, and agents that tasks name; one of them a row. */
export const DECLARE_SOURCES = "DECLARE @sources TABLE (demand_no int NULL, named_no int NULL);\n";

/** Hands out what waits at @sources. After the COMMIT. Needs DECLARE_HAND_OUT and DECLARE_SOURCES. */
export const HAND_OUT_SOURCES = "";
