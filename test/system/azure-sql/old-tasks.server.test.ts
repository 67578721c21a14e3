import { afterAll, describe, expect, it } from "@jest/globals";
import { readMigrations } from "../../../src/lib/store/migrations.ts";
import { dropDatabases } from "../../contract/mssql-under-test.ts";
import { dropEmptyDatabases, makeEmptyDatabase, rowsOf, runScript } from "./databases.ts";

/** What migrations make of tasks that were there before. */

const files = readMigrations(new URL("../../../src/lib/store/mssql/migrations/", import.meta.url));
const textOf = (from: number, to: number) =>
  files
    .filter(({ version }) => version >= from && version <= to)
    .map(({ sql }) => sql)
    .join("\n");

/** Tasks in four states, and the attempts of two of them. */
const TASKS = `INSERT INTO dbo.capability_sets (capabilities_hash, capabilities) VALUES ('set', N'[]');
INSERT INTO dbo.demands (capabilities_hash, capabilities) VALUES ('demand', N'[]');
INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at)
SELECT 'w', 'worker', 'active', s.set_no, 0, 0 FROM dbo.capability_sets AS s;
INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt, max_retries,
  timeout_milliseconds, created_at, available_at, assigned_at, deadline_at, ended_at, request_hash)
SELECT x.no, x.id, a.agent_no, 'common', 2, x.status, d.demand_no, CASE WHEN x.attempt > 0 THEN a.agent_no END, x.attempt, 3,
  1000, 0, 0, x.assigned_at, x.assigned_at, x.ended_at, 'h'
FROM (VALUES (1, 'new', 'pending', 0, NULL, NULL), (2, 'again', 'running', 3, 5, NULL), (3, 'first', 'assigned', 1, 5, NULL),
  (4, 'done', 'completed', 1, 5, 6)) AS x (no, id, status, attempt, assigned_at, ended_at)
CROSS JOIN dbo.agents AS a CROSS JOIN dbo.demands AS d;
INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, ended_at, outcome, explanation)
SELECT x.no, x.attempt, a.agent_no, 1, x.ended_at, x.outcome, N'{}'
FROM (VALUES (2, 1, 2, 'failed'), (2, 2, 3, 'timed_out'), (2, 3, NULL, NULL), (3, 1, NULL, NULL), (4, 1, 6, 'completed'))
  AS x (no, attempt, ended_at, outcome) CROSS JOIN dbo.agents AS a;`;

describe("tasks that were there before 0014", () => {
  afterAll(async () => {
    await dropDatabases();
    await dropEmptyDatabases();
  });

  it("keep their status, begin at version 1 and know how their last attempt ended", async () => {
    const database = await makeEmptyDatabase();
    expect(await runScript(database, textOf(1, 13))).toEqual([]);
    expect(await runScript(database, TASKS)).toEqual([]);
    expect(await runScript(database, textOf(14, 14))).toEqual([]);
    const rows =
      "SELECT task_id, status, version, COALESCE(last_outcome, '-') AS outcome FROM dbo.tasks ORDER BY task_no";
    expect(await rowsOf(database, rows)).toEqual([
      "new pending 1 -",
      "again running 1 timed_out",
      "first assigned 1 -",
      "done completed 1 completed",
    ]);
    expect(await runScript(database, "UPDATE dbo.tasks SET status = 'input_required' WHERE task_id = 'new'")).toEqual(
      [],
    );
    const refused = await runScript(database, "UPDATE dbo.tasks SET status = 'waiting' WHERE task_id = 'new'");
    expect(refused).toEqual([expect.stringContaining("tasks_status")]);
  }, 900_000);
});
