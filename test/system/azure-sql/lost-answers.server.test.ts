import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { z } from "zod";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { openMssqlStore } from "../../../src/lib/store/mssql/open.ts";
import { dropDatabases, giveBack, takeDatabase, testPool, testSettings } from "../../contract/mssql-under-test.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { Scene } from "../../contract/support.ts";
import { recountMssql } from "../../support/recount-mssql.ts";
import { startTdsProxy, type TdsProxy } from "../../support/tds-proxy.ts";
import { VERB_CASES, type VerbCase } from "./verb-cases.ts";

/**
 * The connection is cut between the commit and the answer, and before the request arrives, once for every round trip of
 * every verb. The caller must get the answer that one undisturbed call would have got, and find done what that had done.
 */

type Loss = "nothing" | "the answer" | "the request";

/** What a call answered and left behind, so that two scenes can be compared: without what differs by nature. */
interface Outcome {
  answer: unknown;
  rows: string[];
  roundTrips: number;
}

/** A store on a database, with the proxy between them and one connection, so that the next request is that of the call. */
class Line {
  readonly database: string;
  readonly proxy: TdsProxy;
  readonly pool: mssql.ConnectionPool;

  private constructor(database: string, proxy: TdsProxy, pool: mssql.ConnectionPool) {
    this.database = database;
    this.proxy = proxy;
    this.pool = pool;
  }

  static async open(): Promise<Line> {
    const database = await takeDatabase();
    const { server, port } = testSettings(database);
    return new Line(database, await startTdsProxy(server, port), await testPool(database));
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.pool.close();
    await giveBack(this.database);
  }

  /** Runs a verb on a scene of its own and loses, of its round trips, the one after the first `after`. */
  async run(one: VerbCase, loss: Loss, after = 0): Promise<Outcome> {
    const clock = new OffsetClock();
    const sql = { ...testSettings(this.database), server: "127.0.0.1", port: this.proxy.port, poolSize: 1 };
    const store = await openMssqlStore({ sql, settings: CALM_SETTINGS, clock });
    try {
      const scene = new Scene({ store, clock, close: () => store.close() });
      const act = await one.arrange(scene);
      const [requests, lost] = [this.proxy.requests(), this.proxy.lost()];
      if (loss === "the answer") this.proxy.loseAnswer(after);
      if (loss === "the request") this.proxy.loseRequest(after);
      const answer = await act();
      expect(this.proxy.lost() - lost).toBe(loss === "nothing" ? 0 : 1);
      const roundTrips = this.proxy.requests() - requests;
      return { answer: comparable(answer, scene.tag), rows: await rowsOf(this.pool, scene.tag), roundTrips };
    } finally {
      await store.close();
    }
  }
}

/** The counts of a report that are higher than those of the other, and what else differs. */
function countsAbove(report: unknown, other: unknown): string[] {
  const [found, limits] = [z.record(z.string(), z.json()).parse(report), z.record(z.string(), z.json()).parse(other)];
  return Object.entries(found)
    .filter(([name, value]) => {
      const limit = limits[name];
      return typeof value === "number" && typeof limit === "number" ? value > limit : value !== limit;
    })
    .map(([name]) => name);
}

const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** What an attempt waits for is kept as a hash, of the ids of this scene too. */
const UNTIL_HASH = /(untilHash\W+)[\w-]+/g;

/** How long something took; and how many of its own entries a sweep finds old enough to be sealed, which that decides. */
const BY_SPEED: ReadonlySet<string> = new Set(["durationSeconds", "oldestAgeSeconds", "auditEntriesSealed"]);

function comparable(value: unknown, tag: string): unknown {
  const text = JSON.stringify({ value })
    .replaceAll(tag, "TAG")
    .replaceAll(TIME, "TIME")
    .replaceAll(UUID, "UUID")
    .replaceAll(UNTIL_HASH, "$1HASH");
  const { value: copy }: { value: unknown } = JSON.parse(text, (key, field) => (BY_SPEED.has(key) ? 0 : field));
  return copy;
}

/** All that the agents of a scene did and have, but times and numbers. */
const ROWS = (tag: string) => [
  `SELECT a.agent_id, a.role, a.status, l.active_tasks, l.max_concurrent_tasks, l.completed, l.failed
   FROM dbo.agents AS a JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no WHERE a.agent_id LIKE '%-${tag}'`,
  `SELECT a.agent_id, m.message_id, m.type, m.priority, m.status, m.held, m.attempt, m.attempt_limit, m.settlement, m.reason,
     m.ordering_key, p.payload, CASE WHEN m.lease_expires_at IS NULL THEN 0 ELSE 1 END AS leased
   FROM dbo.messages AS m JOIN dbo.agents AS a ON a.agent_no = m.receiver_no
   JOIN dbo.message_payloads AS p ON p.arrival = m.arrival WHERE a.agent_id LIKE '%-${tag}'`,
  `SELECT t.task_id, t.status, t.attempt, t.retries_used, t.unmet_dependencies, t.cancel_requested, t.[percent], a.agent_id,
     o.note, o.result, o.error
   FROM dbo.tasks AS t LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no
   LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no WHERE t.task_id LIKE '%-${tag}'`,
  `SELECT t.task_id, x.attempt, x.outcome, x.answer FROM dbo.task_attempts AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
   WHERE t.task_id LIKE '%-${tag}'`,
  `SELECT t.task_id, e.event, e.attempt, e.detail FROM dbo.task_events AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no
   WHERE t.task_id LIKE '%-${tag}'`,
  `SELECT task_id, status, attempt FROM dbo.task_archive WHERE task_id LIKE '%-${tag}'`,
  `SELECT c.kind, a.agent_id, c.label, c.created_by, c.roles, c.agent_id_prefix, c.uses_left, c.subject, c.thumbprint, c.agent_ids,
     CASE WHEN c.revoked_at IS NULL THEN 0 ELSE 1 END AS revoked, CASE WHEN c.last_used_at IS NULL THEN 0 ELSE 1 END AS used
   FROM dbo.credentials AS c LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no
   WHERE a.agent_id LIKE '%-${tag}' OR c.agent_id_prefix LIKE '%-${tag}' OR c.subject LIKE '${tag}%'`,
  `SELECT e.actor, e.action, e.subject_kind, e.subject_id, e.detail FROM audit.entries AS e WHERE e.subject_id LIKE '%${tag}%'`,
  `SELECT type, [schema] FROM dbo.message_types WHERE type LIKE '%.${tag}'`,
  `SELECT c.name, c.kind, c.created_by, c.members, c.grants, a.agent_id FROM dbo.channels AS c
   LEFT JOIN dbo.channel_members AS cm ON cm.channel_no = c.channel_no
   LEFT JOIN dbo.agents AS a ON a.agent_no = cm.agent_no WHERE c.name LIKE '%-${tag}'`,
  `SELECT c.name, g.grantee, g.may_post, g.may_read, g.may_manage FROM dbo.channels AS c
   JOIN dbo.channel_grants AS g ON g.channel_no = c.channel_no WHERE c.name LIKE '%-${tag}'`,
];

async function rowsOf(pool: mssql.ConnectionPool, tag: string): Promise<string[]> {
  const rows: string[] = [];
  for (const sql of ROWS(tag)) {
    const { recordset } = await pool.request().query(sql);
    rows.push(...recordset.map((row) => JSON.stringify(comparable(row, tag))).sort());
  }
  return rows;
}

/** Maintenance makes a dozen round trips, and each is lost twice, on an empty database of its own: minutes where that takes 10 s. */
const TEST_MILLISECONDS = 1_200_000;

describe("a lost connection", () => {
  let shared: Line;
  beforeAll(async () => {
    shared = await Line.open();
  });
  afterAll(async () => {
    expect(await recountMssql(shared.pool)).toEqual([]);
    await shared.close();
    await dropDatabases();
  });

  /** On the database of all, or on an empty one where the verb looks at everything. */
  async function run(one: VerbCase, loss: Loss, after = 0): Promise<Outcome> {
    if (one.alone !== true) return shared.run(one, loss, after);
    const line = await Line.open();
    try {
      const outcome = await line.run(one, loss, after);
      expect(await recountMssql(line.pool)).toEqual([]);
      return outcome;
    } finally {
      await line.close();
    }
  }

  it.each(Object.entries(VERB_CASES))(
    "%s answers and does the same, and does it once",
    async (_, one) => {
      const undisturbed = await run(one, "nothing");
      const answers = [undisturbed.answer, ...(one.repeated === undefined ? [] : [one.repeated(undisturbed.answer)])];
      for (let trip = 0; trip < undisturbed.roundTrips; trip++) {
        const { answer, rows } = await run(one, "the answer", trip);
        if (one.report === true) expect(countsAbove(answer, undisturbed.answer)).toEqual([]);
        else expect(answers).toContainEqual(answer);
        expect({ trip, rows }).toEqual({ trip, rows: undisturbed.rows });
        const again = await run(one, "the request", trip);
        expect({ trip, answer: again.answer, rows: again.rows }).toEqual({
          trip,
          answer: undisturbed.answer,
          rows: undisturbed.rows,
        });
      }
    },
    TEST_MILLISECONDS,
  );
});
