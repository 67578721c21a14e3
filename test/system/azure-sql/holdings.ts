import type { Holdings } from "../crash/ledger.ts";

type Rows = (sql: string) => Promise<Record<string, unknown>[]>;

/** What an Azure SQL database holds, for the ledger of a crash test; for a moment when nobody writes to it. */
export async function holdingsOfDatabase(rows: Rows): Promise<Holdings> {
  const messages = await rows(`SELECT m.message_id, m.status, m.attempt, m.lease_expires_at, p.payload
    FROM dbo.messages AS m JOIN dbo.message_payloads AS p ON p.arrival = m.arrival`);
  const tasks = await rows("SELECT task_id, status, attempt FROM dbo.tasks");
  const alone =
    await rows(`SELECT t.task_id FROM dbo.tasks AS t WHERE t.attempt > 0 AND NOT EXISTS (SELECT 1 FROM dbo.messages AS m
    WHERE m.task_no = t.task_no AND m.task_attempt = t.attempt AND m.type = 'task_assignment')`);
  const usage = await rows(
    `SELECT t.task_id, u.attempt, u.input_tokens FROM dbo.task_usage AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no`,
  );
  const count = async (sql: string) => Number((await rows(sql))[0]?.n);
  return {
    messages: new Map(
      messages.map((row) => [
        String(row.message_id),
        {
          status: String(row.status),
          attempt: Number(row.attempt),
          until: row.lease_expires_at === null ? null : Number(row.lease_expires_at),
          payload: String(row.payload),
        },
      ]),
    ),
    tasks: new Map(
      tasks.map((row) => [String(row.task_id), { status: String(row.status), attempt: Number(row.attempt) }]),
    ),
    assignedAlone: alone.map((row) => String(row.task_id)),
    usage: new Map(usage.map((row) => [`${row.task_id}#${row.attempt}`, Number(row.input_tokens)])),
    endedTasks: await count("SELECT COUNT(*) AS n FROM dbo.tasks WHERE ended_at IS NOT NULL"),
    results: await count("SELECT COUNT(*) AS n FROM dbo.messages WHERE type = 'task_result'"),
  };
}
