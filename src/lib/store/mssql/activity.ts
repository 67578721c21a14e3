import { AgentCommunicationError } from "../../errors.ts";
import type { StoreSettings } from "../store.ts";
import { type Input, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { changeBeat } from "./heartbeats.ts";
import { APPLY_COUNTS, raceUnless } from "./transaction.ts";

const GONE: ReadonlySet<string> = new Set(["AGENT_NOT_FOUND", "AGENT_DEREGISTERED"]);

/** A stored heartbeat is renewed when it is older than this share of the interval: one write in many calls. */
const RENEWAL_SHARE = 0.25;

/** The input that COUNT_AS_HEARTBEAT needs: how old a stored heartbeat may grow. */
export function renewalInput(settings: StoreSettings): { renewalMilliseconds: Input } {
  return { renewalMilliseconds: int(Math.round(settings.heartbeatIntervalSeconds * 1_000 * RENEWAL_SHARE)) };
}

/** The agents of accepted calls. (`wakes` is for COUNT_AS_HEARTBEAT.) */
export const DECLARE_CALLERS = `DECLARE @callers TABLE (agent_no int NOT NULL PRIMARY KEY, wakes bit NOT NULL DEFAULT 0);
DECLARE @woken int;
`;

/** Its role, set and capacity are as they were: only the status changes, and no call before this one can have been free. */
const WAKE = `BEGIN TRANSACTION;
    UPDATE l SET working = CASE WHEN a.role = 'worker' THEN 1 ELSE 0 END
    FROM @callers AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no
    JOIN dbo.agent_loads AS l ON l.agent_no = c.agent_no
    WHERE c.wakes = 1
    OPTION (LOOP JOIN, FORCE ORDER);
    UPDATE a SET status = 'active', status_changed_at = @now
    FROM @callers AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no
    WHERE c.wakes = 1 AND a.status = 'inactive'
    OPTION (LOOP JOIN, FORCE ORDER);
    ${raceUnless("@woken")}
    UPDATE h SET last_heartbeat_at = @now, beating = 1
    FROM @callers AS c JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.agent_no
    WHERE c.wakes = 1
    OPTION (LOOP JOIN, FORCE ORDER);
    INSERT INTO @counts (name, delta)
    SELECT CONCAT('set:', l.set_no, d.kind), 1
    FROM @callers AS c JOIN dbo.agent_loads AS l ON l.agent_no = c.agent_no
    CROSS APPLY (VALUES (':active', 1), (':free', CAST(l.assignable AS int))) AS d (kind, counts)
    WHERE c.wakes = 1 AND l.working = 1 AND d.counts = 1;
    ${APPLY_COUNTS}
    COMMIT TRANSACTION;`;

/**
 * For verbs that hand nothing out: renews the heartbeats of @callers, after the COMMIT of the verb. Callers that were read as
 * inactive are not in it: the batch says so in its outcome, and the verb then calls wakeAgent. Two round trips instead of one,
 * but only for an agent that had fallen silent, and the text of the hand-out stays out of the hottest batches.
 */
export const RENEW_HEARTBEATS = `UPDATE h SET last_heartbeat_at = @now
FROM @callers AS c JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.agent_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - @renewalMilliseconds
OPTION (LOOP JOIN, FORCE ORDER);
`;

/** Makes the agent of an accepted call active again, and hands it waiting work. */
export async function wakeAgent(connection: Connection, agentId: string): Promise<void> {
  try {
    await changeBeat(connection, { agentId });
  } catch (error) {
    // It deregistered since: then it is not to be active, and the call was accepted all the same.
    if (!(error instanceof AgentCommunicationError && GONE.has(error.code))) throw error;
  }
}

/**
 * An accepted receive, settlement or task call counts as a heartbeat, and makes an inactive agent active again, which may
 * hand it waiting work: those are put into @freed.
 *
 * Goes after the COMMIT of the verb and before HAND_OUT, in transactions of its own: so a heartbeat never waits behind the
 * rows of a call, and a call that loses a race does not count. A process that dies in between has not answered either. The
 * common path is the one look at the heartbeats.
 */
export const COUNT_AS_HEARTBEAT = `IF EXISTS (SELECT 1 FROM @callers AS c JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.agent_no
  WHERE h.beating = 0 OR h.last_heartbeat_at < @now - @renewalMilliseconds)
BEGIN
  ${RENEW_HEARTBEATS}  UPDATE c SET wakes = 1
  FROM @callers AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no
  WHERE a.status = 'inactive';
  SET @woken = @@ROWCOUNT;
  IF @woken > 0
  BEGIN
    ${WAKE}
    INSERT INTO @freed (agent_no)
    SELECT c.agent_no FROM @callers AS c
    WHERE c.wakes = 1 AND NOT EXISTS (SELECT 1 FROM @freed AS f WHERE f.agent_no = c.agent_no);
  END;
END;
`;
