import { describe, expect, it } from "@jest/globals";
import { buildProcedure, readRelease } from "../../src/lib/store/mssql/procedure-files.ts";
import {
  CANDIDATE_ORDER,
  compareSortKeys,
  INDEX_ORDER,
  orderSql,
  sortKeyOf,
} from "../../src/lib/store/rules/candidate-order.ts";
import { HEAD_STARTS_SQL } from "../../src/lib/store/rules/ranks.ts";
import { BACK_OFF, COUNT_AGAINST_AGENT, LIVE_STATUSES, sqlWords } from "../../src/lib/store/rules/task-outcomes.ts";
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

  it("of what counts against an agent", () => {
    const counted = `SUM(CASE WHEN e.outcome IN (${sqlWords(COUNT_AGAINST_AGENT)}) THEN 1 ELSE 0 END) AS failed`;
    expect(textOf("parts/leave-agents.sql")).toContain(counted);
    expect(textOf("refresh-performance.sql")).toContain(`IN (${sqlWords(COUNT_AGAINST_AGENT)})`);
  });

  it("of what waits before it is tried again", () => {
    for (const name of [
      "fail-tasks.sql",
      "time-out-tasks.sql",
      "release-left-tasks.sql",
      "heartbeats-with-changes.sql",
    ]) {
      expect([name, builtText(name)]).toEqual([
        name,
        expect.stringContaining(`CASE WHEN f.outcome IN (${sqlWords(BACK_OFF)}) THEN @now +`),
      ]);
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

describe("the order of candidates", () => {
  const one = {
    endedLastAttempt: false,
    load: 0.5,
    preferred: 1,
    completed: 3,
    failed: 1,
    lastAssignedAt: 10,
    agentId: "b",
  };
  const first = (a: typeof one, b: typeof one) =>
    compareSortKeys(sortKeyOf(CANDIDATE_ORDER, a), sortKeyOf(CANDIDATE_ORDER, b));

  it.each<[string, Partial<typeof one>]>([
    [
      "ended no attempt of it",
      { endedLastAttempt: true, load: 0, preferred: 9, completed: 99, failed: 0, lastAssignedAt: 0, agentId: "a" },
    ],
    ["has the lower load", { load: 0.51, preferred: 9, completed: 99, failed: 0, lastAssignedAt: 0, agentId: "a" }],
    ["has more of what is preferred", { preferred: 0, completed: 99, failed: 0, lastAssignedAt: 0, agentId: "a" }],
    ["is more reliable", { failed: 2, lastAssignedAt: 0, agentId: "a" }],
    ["was assigned to longer ago", { lastAssignedAt: 11, agentId: "a" }],
    ["has the smaller id", { agentId: "c" }],
  ])("puts first who %s, whatever follows", (_, other) => {
    expect(first(one, { ...one, ...other })).toBe(-1);
    expect(first({ ...one, ...other }, one)).toBe(1);
  });

  it("knows equals", () => expect(first(one, { ...one })).toBe(0));
});
