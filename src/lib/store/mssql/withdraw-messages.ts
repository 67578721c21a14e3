import { newId } from "../../ids.ts";
import { DEAD_LETTER_BATCH_MAX } from "../../limits.ts";
import type { WithdrawReply } from "../../messages/message.ts";
import { actorOf } from "../../security/call-context.ts";
import { agentNotFound, messageNotFound } from "../refusals.ts";
import type { MailboxSelection } from "../store.ts";
import { noLongerQueued, writtenBySwitchboard } from "../withdrawal-refusals.ts";
import { detailOf, recordMessages, recordRows } from "./audit.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_ENDED, END_MESSAGES } from "./message-rows.ts";
import { KEY_TO_LEAVE } from "./ordering-keys.ts";
import { auditedTexts, sqlText } from "./texts.ts";
import {
  APPLY_COUNTS,
  BIN2,
  DECLARE_COUNTS,
  DECLARE_DELIVERABLE,
  PROLOGUE,
  SELECT_DELIVERABLE,
} from "./transaction.ts";

/** Taking queued messages out of a mailbox: one by its sender, many by the owner of the mailbox. They read as expired. */

/**
 * `@kind`: why nothing is done (ABSENT, SYSTEM, or the status of a message that is no longer queued), or what is: POST, QUEUED.
 * A repeat finds it expired. What is answered is how many are withdrawn now, by whichever call.
 */
const WITHDRAW_SQL = auditedTexts(
  "withdraw-message",
  `${PROLOGUE}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_ENDED}DECLARE @messageId varchar(128), @kind varchar(24) = 'ABSENT', @senderNo int, @ending int = 0, @withdrawn int = 0;
SELECT @messageId = x.message_id FROM OPENJSON(@items) WITH (message_id varchar(128)) AS x;
SELECT @senderNo = m.sender_no, @kind = CASE WHEN m.sender_no IS NULL THEN 'SYSTEM'
  WHEN m.status = 'completed' AND EXISTS (SELECT 1 FROM dbo.channels AS c WHERE c.channel_no = m.receiver_no AND c.kind = 'broadcast') THEN 'POST'
  WHEN m.status = 'queued' THEN 'QUEUED' ELSE m.status END
FROM dbo.messages AS m WHERE m.message_id = @messageId;
IF @kind = 'QUEUED'
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'expired', N'WITHDRAWN', ${KEY_TO_LEAVE}
  FROM dbo.messages AS m WHERE m.message_id = @messageId AND m.status = 'queued';
ELSE IF @kind = 'POST'
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'expired', N'WITHDRAWN', ${KEY_TO_LEAVE}
  FROM dbo.messages AS m WHERE m.post_id = @messageId AND m.post_id IS NOT NULL AND m.status = 'queued' AND m.sender_no = @senderNo;
SET @ending = (SELECT COUNT(*) FROM @ended);
IF @ending > 0
BEGIN
  BEGIN TRANSACTION;
  ${END_MESSAGES}${recordMessages({
    action: "message.withdrawn",
    item: "0",
    agentId: "(SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = @senderNo)",
    messageId: "@messageId",
    detail: { withdrawn: { number: "@ending" } },
  })}${APPLY_COUNTS}COMMIT TRANSACTION;
END;
IF @kind = 'POST'
  SET @withdrawn = (SELECT COUNT(*) FROM dbo.messages AS m WHERE m.post_id = @messageId AND m.post_id IS NOT NULL AND m.status = 'expired'
    AND m.reason = N'WITHDRAWN' AND m.sender_no = @senderNo);
ELSE IF @kind IN ('QUEUED', 'expired')
  SET @withdrawn = (SELECT COUNT(*) FROM dbo.messages AS m WHERE m.message_id = @messageId AND m.reason = N'WITHDRAWN');
SELECT 0 AS item, @kind AS kind, @withdrawn AS withdrawn;
${SELECT_DELIVERABLE}`,
);

interface WithdrawnRow {
  kind: "ABSENT" | "SYSTEM" | "POST" | "QUEUED" | "leased" | "completed" | "dead_lettered" | "expired";
  withdrawn: number;
}

const WITHDRAW: Batch<string, WithdrawReply> = {
  name: "withdraw-message",
  sql: WITHDRAW_SQL,
  encode: (messageId) => {
    const actor = actorOf("");
    return { message_id: messageId, ...(actor === "" ? {} : { actor }) };
  },
  decode: (result, messageIds) =>
    result.rows<WithdrawnRow>(0).map(({ kind, withdrawn }, position) => {
      const messageId = messageIds[position] ?? "";
      switch (kind) {
        case "ABSENT":
          return { refusal: messageNotFound(messageId) };
        case "SYSTEM":
          return { refusal: writtenBySwitchboard(messageId) };
        case "POST":
          return { value: { messageId, status: "completed", withdrawn } };
        case "QUEUED":
        case "expired":
          return { value: { messageId, status: "expired", withdrawn } };
        default:
          return { refusal: noLongerQueued(messageId, kind) };
      }
    }),
  // Of a post there may be a thousand copies.
  maxItems: 1,
  wakes: true,
};

/**
 * Takes back a message that is still queued; of a post, all copies that are. A repeat is answered as the first. The id stays taken.
 *
 * @throws MESSAGE_NOT_FOUND, LEASE_LOST, FORBIDDEN
 */
export function withdrawMessage(connection: Connection, messageId: string): Promise<WithdrawReply> {
  return connection.run(WITHDRAW, messageId);
}

/** Those of the switchboard go with their tasks. The answer is kept: a repeat of the call would take the next ones. */
const PURGE_SQL = sqlText(
  "purge-mailbox",
  `${PROLOGUE}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_ENDED}DECLARE @operation uniqueidentifier, @actor varchar(128), @dryRun bit, @mailbox varchar(128),
  @mailboxNo int, @sender varchar(128), @senderNo int, @type varchar(64), @before bigint, @dueAfter bigint, @count int = 0;
SELECT @operation = x.operation, @actor = x.actor, @dryRun = x.dry_run, @mailbox = x.mailbox, @sender = x.sender, @type = x.type,
  @before = x.before, @dueAfter = x.due_after
FROM OPENJSON(@items) WITH (operation uniqueidentifier, actor varchar(128), dry_run bit, mailbox varchar(128), sender varchar(128),
  type varchar(64), before bigint, due_after bigint) AS x;
SELECT @mailboxNo = a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @mailbox;
SET @senderNo = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @sender);
DECLARE @answer nvarchar(max) = (SELECT answer FROM dbo.operation_answers WHERE operation_id = @operation);
IF @answer IS NOT NULL SET @count = JSON_VALUE(@answer, '$.count');
ELSE
BEGIN
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
  SELECT TOP (${DEAD_LETTER_BATCH_MAX}) m.arrival, m.receiver_no, m.status, m.attempt, 'expired', N'PURGED', ${KEY_TO_LEAVE}
  FROM dbo.messages AS m
  WHERE m.receiver_no = @mailboxNo AND m.status = 'queued' AND m.sender_no IS NOT NULL
    AND (@sender IS NULL OR m.sender_no = @senderNo) AND (@type IS NULL OR m.type = @type)
    AND (@before IS NULL OR m.accepted_at < @before) AND (@dueAfter IS NULL OR m.available_at > @dueAfter);
  SET @count = @@ROWCOUNT;
END;
IF @answer IS NULL AND @dryRun = 0 AND @count > 0
BEGIN
  BEGIN TRANSACTION;
  ${END_MESSAGES}${recordRows({
    actor: "@actor",
    action: "'messages.purged'",
    subjectKind: `CASE WHEN @mailbox LIKE '#%' THEN 'channel' ELSE 'agent' END ${BIN2}`,
    subjectId: "CASE WHEN @mailbox LIKE '#%' THEN SUBSTRING(@mailbox, 2, 100) ELSE @mailbox END",
    detail: detailOf({ count: { number: "@count" } }),
  })}${APPLY_COUNTS}INSERT INTO dbo.operation_answers (operation_id, answer, answered_at)
  VALUES (@operation, CONCAT(N'{"count":', @count, N'}'), @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @mailboxNo AS mailbox_no, @count AS count;
${SELECT_DELIVERABLE}`,
);

interface Purge extends MailboxSelection {
  mailbox: string;
  operationId: string;
}

const PURGE: Batch<Purge, number> = {
  name: "purge-mailbox",
  sql: PURGE_SQL,
  encode: ({ mailbox, operationId, dryRun, filter }) => ({
    operation: operationId,
    actor: actorOf(),
    dry_run: dryRun,
    mailbox,
    sender: filter.sender ?? null,
    type: filter.type ?? null,
    before: filter.before === undefined ? null : Date.parse(filter.before),
    due_after: filter.dueAfter === undefined ? null : Date.parse(filter.dueAfter),
  }),
  decode: (result, purges) =>
    result
      .rows<{ mailbox_no: number | null; count: number }>(0)
      .map(({ mailbox_no: mailboxNo, count }, position) =>
        mailboxNo === null ? { refusal: agentNotFound(purges[position]?.mailbox ?? "") } : { value: count },
      ),
  // Up to a thousand rows each.
  maxItems: 1,
  wakes: true,
};

/**
 * Ends queued messages of a mailbox, due or not, at most DEAD_LETTER_BATCH_MAX. Their ids stay taken.
 *
 * @returns how many
 * @param mailbox the id of an agent, or `#` and the name of a channel
 * @throws AGENT_NOT_FOUND, CHANNEL_NOT_FOUND
 */
export function purgeMailbox(connection: Connection, mailbox: string, selection: MailboxSelection): Promise<number> {
  return connection.run(PURGE, { mailbox, ...selection, operationId: newId(connection.clock.now()) });
}
