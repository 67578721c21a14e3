import type { GiveBack } from "../store.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { sqlText } from "./texts.ts";
import { BIN2, BY_KEY, PROLOGUE, raceUnless } from "./transaction.ts";

/** Calls in one batch. */
const MAX_ITEMS = 64;

/** The attempt stays used, for it is the fencing number; so there is one more. */
const GIVE_BACK_SQL = sqlText(
  "give-back-messages",
  `${PROLOGUE}DECLARE @given TABLE (arrival bigint NOT NULL PRIMARY KEY, attempt int NOT NULL, available_at bigint NOT NULL);
DECLARE @givenRows int;
INSERT INTO @given (arrival, attempt, available_at)
SELECT m.arrival, m.attempt, MAX(@now + CAST(JSON_VALUE(i.value, '$.delay') AS bigint))
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.messages') WITH (message_id varchar(128), attempt int) AS x
JOIN dbo.agents AS a ON a.agent_id = CAST(JSON_VALUE(i.value, '$.agent_id') AS varchar(128)) ${BIN2}
JOIN dbo.messages AS m ON m.message_id = x.message_id ${BIN2}
WHERE (m.receiver_no = a.agent_no OR m.holder = a.agent_id) AND m.attempt = x.attempt AND m.status = 'leased'
GROUP BY m.arrival, m.attempt
${BY_KEY};
SET @givenRows = @@ROWCOUNT;
IF @givenRows > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE m SET status = 'queued', lease_expires_at = NULL, claim_id = NULL, available_at = g.available_at,
    attempt_limit = m.attempt_limit + 1
  FROM @given AS g JOIN dbo.messages AS m ON m.arrival = g.arrival
  WHERE m.status = 'leased' AND m.attempt = g.attempt
  ${BY_KEY};
  ${raceUnless("@givenRows")}  UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:queued' THEN @givenRows ELSE -@givenRows END
  WHERE name IN ('messages:leased', 'messages:queued') AND slot = @@SPID % 8;
  COMMIT TRANSACTION;
END;
SELECT @givenRows AS given;
`,
);

const GIVE_BACK: Batch<GiveBack, undefined> = {
  name: "give-back-messages",
  sql: GIVE_BACK_SQL,
  encode: ({ agentId, messages, delayMilliseconds }) => ({
    agent_id: agentId,
    delay: Math.ceil(delayMilliseconds),
    messages: messages.map(({ messageId, attempt }) => ({ message_id: messageId, attempt })),
  }),
  decode: (_, calls) => calls.map(() => ({ value: undefined })),
  maxItems: MAX_ITEMS,
  wakes: false,
};

/** Returns leased messages that their receiver has not seen, to be due after a delay. It wakes nobody: nothing is due now. */
export function giveBackMessages(connection: Connection, giveBack: GiveBack): Promise<void> {
  return connection.run(GIVE_BACK, giveBack);
}
