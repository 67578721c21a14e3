import { BIN2, ID } from "./transaction.ts";

/** Whose mailbox: the agent's own, or that of the work queue (agent_no then), from which the agent (member_no) is to get leases. */
export interface Source {
  /** At the end of the texts' names. */
  name: string;
  /** A further field of an item; further columns of @claims, their names and values. */
  given: string;
  columns: string;
  names: string;
  values: string;
  /** The number of the mailbox. */
  mailboxNo: string;
  /** How the queue is found, the refusal when there is none, and that there is one. */
  join: string;
  unknown: string;
  found: string;
  /** That the message is held by whoever claims, and what leasing sets. */
  heldBy: (claim: string) => string;
  setHolder: string;
  /** Whose heartbeat it is. */
  memberNo: string;
}

export const OWN: Source = {
  name: "",
  given: "",
  columns: "",
  names: "",
  values: "",
  mailboxNo: "a.agent_no",
  join: "",
  unknown: "",
  found: "",
  heldBy: () => "",
  setHolder: "",
  memberNo: "c.agent_no",
};

export const QUEUE: Source = {
  name: " from-channel",
  given: "channel varchar(100), ",
  columns: `member_no int NULL, holder ${ID} NOT NULL, `,
  names: "member_no, holder, ",
  values: "a.agent_no, x.agent_id, ",
  mailboxNo: "q.channel_no",
  join: `LEFT JOIN dbo.channels AS q ON q.name = x.channel ${BIN2} AND q.kind = 'work_queue'\n`,
  unknown: " WHEN q.channel_no IS NULL THEN 'CHANNEL_NOT_FOUND'",
  found: " AND q.channel_no IS NOT NULL",
  heldBy: (claim) => ` AND m.holder = ${claim}`,
  setHolder: ", holder = c.holder",
  memberNo: "c.member_no",
};
