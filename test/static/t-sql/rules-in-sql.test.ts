import { describe, expect, it } from "@jest/globals";
import { buildProcedure, readRelease } from "../../../src/lib/store/mssql/procedure-files.ts";
import {
  CANDIDATE_ORDER,
  type Candidate,
  compareSortKeys,
  INDEX_ORDER,
  orderSql,
  sortKeyOf,
} from "../../../src/lib/store/rules/candidate-order.ts";
import { NAMES_OF_SQL, WHOLE_NAMES } from "../../../src/lib/store/rules/counter-names.ts";
import { OWN_RENEWAL_SQL, RENEWAL_SQL } from "../../../src/lib/store/rules/heartbeats.ts";
import { HEAD_STARTS_SQL } from "../../../src/lib/store/rules/ranks.ts";
import {
  ASSIGN_REFUSALS,
  ATTEMPT_REFUSALS,
  ENROLMENT_REFUSALS,
  SEND_REFUSALS,
} from "../../../src/lib/store/rules/refusal-orders.ts";
import {
  BACK_OFF,
  FAILED_OUTCOMES,
  LIVE_STATUSES,
  LOST_OUTCOMES,
  RELEASED_OUTCOMES,
  sqlWords,
} from "../../../src/lib/store/rules/task-outcomes.ts";
import { USAGE_COLUMNS } from "../../../src/lib/store/rules/usage.ts";
import { sourcesIn } from "../style/sources.ts";

/** Rules that both engines obey stand in store/rules/; here they are found, word for word, in the procedures. */

const plain = (text: string) => text.replaceAll(/^\s*--.*$/gm, "").replaceAll(/\s+/g, " ");
const files = sourcesIn("src/lib/store/mssql/procedures", ".sql").map(({ path, text }) => ({
  name: path.replace(/^.*procedures\//, ""),
  text: plain(text),
}));
const builtText = (file: string) => plain(buildProcedure(file).sql);
const textOf = (name: string) => files.find((file) => file.name === name)?.text ?? "";
const count = (text: string, part: string) => text.split(part).length - 1;

describe("a rule", () => {
  it("of whom a task is given to: the order of candidates, and that of the index", () => {
    const weigh = textOf("parts/weigh.sql");
    expect(count(weigh, `ROW_NUMBER() OVER (ORDER BY ${orderSql(CANDIDATE_ORDER, "b")})`)).toBe(1);
    expect(count(weigh, `ORDER BY ${orderSql(INDEX_ORDER, "l")}`)).toBe(1);
    expect(count(weigh, `ORDER BY ${orderSql(INDEX_ORDER, "w")}`)).toBe(1);
    // The call for a lone task has no plan to look at, but the same orders.
    expect(textOf("assign-task.sql")).toContain(`ROW_NUMBER() OVER (ORDER BY ${orderSql(CANDIDATE_ORDER, "b")})`);
  });

  it("of ranks: every list of priorities has their head starts", () => {
    const merging = files.filter(({ text }) => /AS \w+ \(priority, head_start\)/.test(text));
    expect(merging.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["claim-messages.sql", "hand-out-sources.sql"]),
    );
    for (const { name, text } of merging) {
      const lists = [...text.matchAll(/(\(VALUES (?:\([^()]*\)(?:, )?)+\)) AS \w+ \(priority, head_start\)/g)];
      expect([name, new Set(lists.map(([, list]) => list))]).toEqual([name, new Set([HEAD_STARTS_SQL])]);
    }
  });

  it("of when an accepted call renews a sign of life: an agent's own timeout goes before the setting", () => {
    const ages = files.flatMap(({ text }) =>
      [...text.matchAll(/last_heartbeat_at < @now - ([^;]*?@renewalMilliseconds\)?)/g)].map(([, age = ""]) => age),
    );
    expect(ages.length).toBeGreaterThan(10);
    expect(new Set(ages)).toEqual(new Set([RENEWAL_SQL]));
    const migrations = sourcesIn("src/lib/store/mssql/migrations", ".sql").map(({ text }) => text);
    expect(migrations.filter((text) => text.includes(`ADD renewal_milliseconds AS (${OWN_RENEWAL_SQL})`))).toHaveLength(
      1,
    );
  });

  it("of what counts as failed, lost and released", () => {
    for (const [outcomes, name] of [
      [FAILED_OUTCOMES, "failed"],
      [LOST_OUTCOMES, "lost"],
      [RELEASED_OUTCOMES, "released"],
    ] as const) {
      const sum = (alias: string) => `SUM(CASE WHEN ${alias}.outcome IN (${sqlWords(outcomes)}) THEN 1 ELSE 0 END)`;
      expect(textOf("parts/leave-agents.sql")).toContain(`${sum("e")} AS ${name}`);
      expect(textOf("refresh-performance.sql")).toContain(`COALESCE(${sum("x")}, 0) AS ${name}`);
    }
    const all = textOf("parts/record-endings.sql");
    expect(all).toContain(`WHEN e.outcome IN (${sqlWords(FAILED_OUTCOMES)}) THEN 'tasks:attempts_failed_total'`);
    const lost = sqlWords([...LOST_OUTCOMES, ...RELEASED_OUTCOMES]);
    expect(all).toContain(`WHEN e.outcome IN (${lost}) THEN 'tasks:attempts_lost_total'`);
  });

  it("of what waits before it is tried again", () => {
    for (const name of ["fail-tasks.sql", "time-out-tasks.sql", "release-left-tasks.sql"]) {
      expect([name, builtText(name)]).toEqual([
        name,
        expect.stringContaining(`CASE WHEN f.outcome IN (${sqlWords(BACK_OFF)}) THEN @now +`),
      ]);
    }
  });

  it("of usage: what is more than before is booked, of each number", () => {
    const text = textOf("book-usage.sql");
    for (const column of Object.values(USAGE_COLUMNS)) {
      const added = `CASE WHEN u.task_no IS NULL THEN r.${column} WHEN r.${column} > u.${column} THEN r.${column} - u.${column} ELSE 0 END`;
      expect(count(text, added)).toBe(1);
      // To the attempt, to the hour and to all.
      for (const table of ["u", "h", "e"]) expect(count(text, `${column} = ${table}.${column} + d.${column}`)).toBe(1);
    }
  });

  it("of which tasks are live: every list of the two states is in that order, and none has others", () => {
    const lists = readRelease().procedures.flatMap(({ sql }) =>
      [...plain(sql).matchAll(/status IN \(('[a-z_]+'(?:, '[a-z_]+')*)\)/g)].map(([, list = ""]) => list),
    );
    const withRunning = lists.filter((list) => list.includes("'running'"));
    expect(withRunning.length).toBeGreaterThan(8);
    expect(new Set(withRunning)).toEqual(new Set([sqlWords(LIVE_STATUSES)]));
  });
});

describe("the names of counters", () => {
  it("are those of the rules, whole or put together", () => {
    const literals = files.flatMap(({ text }) =>
      [...text.matchAll(/'([a-z_]*:[a-z_:]*)'/g)].map(([, name = ""]) => name),
    );
    expect(literals.length).toBeGreaterThan(60);
    const known = new Set<string>([
      ...WHOLE_NAMES,
      ...NAMES_OF_SQL.whole,
      ...NAMES_OF_SQL.beginnings,
      ...NAMES_OF_SQL.endings,
    ]);
    expect([...new Set(literals)].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe("the order of refusals", () => {
  /** Codes after THEN, in the order in which the text has them. */
  const codesIn = (text: string) => [...text.matchAll(/THEN '([A-Z_]{4,})'/g)].map(([, code = ""]) => code);
  /** The order without what it has twice in a row: a condition of another kind for the same refusal. */
  const orderIn = (text: string) => codesIn(text).filter((code, place, all) => code !== all[place - 1]);
  const between = (text: string, start: string, end: string) =>
    text.slice(text.indexOf(start), text.indexOf(end, text.indexOf(start)));

  it("of a message", () => {
    expect(orderIn(between(textOf("parts/find-sends.sql"), "WHEN s.agent_no IS NULL", "AS refusal"))).toEqual(
      SEND_REFUSALS,
    );
  });

  it("of a message to a channel: what it does not share is left out", () => {
    const codes = orderIn(textOf("broadcast-message.sql"));
    const known = SEND_REFUSALS.filter((code) => codes.includes(code));
    expect(known.length).toBeGreaterThan(3);
    const ranks = codes.flatMap((code) => SEND_REFUSALS.flatMap((one, rank) => (one === code ? [rank] : [])));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  });

  it("of a new task", () => {
    expect(
      codesIn(between(textOf("parts/check-new-tasks.sql"), "CROSS APPLY (SELECT CASE WHEN s.agent_no IS NULL", ";")),
    ).toEqual(ASSIGN_REFUSALS.filter((code) => code !== "DEPENDENCY_INVALID"));
    // Dependencies are looked at afterwards, of those that are not refused yet.
    const text = textOf("parts/check-new-tasks.sql");
    expect(text.indexOf("THEN 'DEPENDENCY_INVALID'")).toBeGreaterThan(text.indexOf("THEN 'IDEMPOTENCY_MISMATCH'"));
  });

  it.each(["start", "progress", "complete", "fail"])("of what an agent does with an attempt: %s", (verb) => {
    const text = textOf(`${verb}-tasks.sql`);
    expect(codesIn(between(text, "WHEN a.agent_no IS NULL", "FROM (SELECT"))).toEqual(ATTEMPT_REFUSALS);
  });

  it("of what an agent does with an attempt: usage", () => {
    const text = textOf("report-usage.sql");
    expect(codesIn(between(text, "WHEN a.agent_no IS NULL", "FROM (SELECT"))).toEqual(ATTEMPT_REFUSALS);
  });

  it("of a registration by a key", () => {
    const text = textOf("register-authorised-agents.sql");
    expect(codesIn(between(text, "WHEN x.uses_left = 0", "FROM @authorities"))).toEqual(ENROLMENT_REFUSALS);
  });
});

describe("the order of candidates", () => {
  const one: Candidate = {
    lastAttempt: "none",
    load: 0.5,
    preferred: 1,
    completed: 3,
    failed: 1,
    lost: 0,
    lastAssignedAt: 10,
    agentId: "b",
  };
  const first = (a: typeof one, b: typeof one) =>
    compareSortKeys(sortKeyOf(CANDIDATE_ORDER, a), sortKeyOf(CANDIDATE_ORDER, b));

  it.each<[string, Partial<typeof one>]>([
    [
      "ended no attempt of it",
      { lastAttempt: "ended", load: 0, preferred: 9, completed: 99, failed: 0, lastAssignedAt: 0, agentId: "a" },
    ],
    ["has the lower load", { load: 0.51, preferred: 9, completed: 99, failed: 0, lastAssignedAt: 0, agentId: "a" }],
    ["has more of what is preferred", { preferred: 0, completed: 99, failed: 0, lastAssignedAt: 0, agentId: "a" }],
    ["has failed less", { failed: 2, lastAssignedAt: 0, agentId: "a" }],
    ["has lost less", { lost: 1, lastAssignedAt: 0, agentId: "a" }],
    ["was assigned to longer ago", { lastAssignedAt: 11, agentId: "a" }],
    ["has the smaller id", { agentId: "c" }],
  ])("puts first who %s, whatever follows", (_, other) => {
    expect(first(one, { ...one, ...other })).toBe(-1);
    expect(first({ ...one, ...other }, one)).toBe(1);
  });

  it("knows equals", () => expect(first(one, { ...one })).toBe(0));
});
