import type { JsonValue } from "../../model/json.ts";
import type { MessageStatus } from "../../model/message.ts";
import { joinTask, type MessageColumns, readColumns } from "../message-reading.ts";
import type { StoredMessage } from "../store.ts";

/** The row of a message: how it reads, how it ends, and how its ordering key moves on. */

/** A row of READABLE_COLUMNS. */
export interface ReadableMessageRow extends MessageColumns {
  arrival: number;
  status: MessageStatus;
  sender: string | null;
  receiver: string;
  payload: string;
  /** Of the task, for its assignment message only. */
  description: string | null;
  parameters: string | null;
  /** Of what is encrypted in the payload. */
  key_version: string | null;
  traceparent: string | null;
}

/** What its reader sees of a row, from READABLE_TABLES. One past its time to live reads as expired. */
export const READABLE_COLUMNS = `m.arrival, m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority,
  CASE WHEN m.status = 'queued' AND m.expires_at <= @now THEN 'expired' ELSE m.status END AS status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason,
  m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.channel, m.post_id, m.holder, p.payload, b.description, b.parameters,
  COALESCE(m.key_version, b.key_version) AS key_version, COALESCE(m.traceparent, b.traceparent) AS traceparent`;

/** The tables beside dbo.messages AS m that READABLE_COLUMNS need. */
export const READABLE_TABLES = `LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.task_bodies AS b ON b.task_no = m.task_no AND m.type = 'task_assignment'`;

/** The message as it is stored. */
export function readMessage(row: ReadableMessageRow): StoredMessage {
  const payload = JSON.parse(row.payload) as JsonValue;
  const { sender, receiver, status, description, parameters, key_version, traceparent } = row;
  const joined =
    description === null || parameters === null ? payload : joinTask(payload, { description, parameters, key_version });
  return readColumns(row, { sender, receiver, status, payload: joined, keyVersion: key_version, traceparent });
}
