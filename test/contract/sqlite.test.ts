import { afterAll, describe, expect, it } from "@jest/globals";
import { contracts } from "./contracts.ts";
import { openSqliteUnderTest } from "./sqlite-under-test.ts";
import { declaredIndexes, emptySchema, plansOf, recordStatements } from "./upkeep/statement-plans.ts";

const recorded = recordStatements();
for (const contract of contracts) contract(openSqliteUnderTest);

/** Reads of a whole table or index that cost nothing that grows, each with its reason. */
const SCANS: readonly { table: RegExp; statement: RegExp; reason: string }[] = [
  {
    table: /^(?:ended_dependencies|ended_parents|reopened_tasks)$/,
    statement: /LIMIT \S+$/,
    reason: "a work list, empty but for what the sweep works off",
  },
  { table: /^messages$/, statement: /^SELECT arrival FROM messages LIMIT 1$/, reason: "one row, for health" },
  { table: /^b$/, statement: /ORDER BY b\.block_no DESC LIMIT 1$/, reason: "one row: the newest block" },
  {
    table: /^e$/,
    statement: /FROM audit_entries WHERE entry_no >= \?1 AND entry_no < \?2/,
    reason: "a page of entries",
  },
  {
    table: /^agents$/,
    statement: /INDEXED BY agents_left/,
    reason: "a work list: agents whose tasks the sweep takes back",
  },
  { table: /^j$/, statement: /AS pending$/, reason: "at most 1,000 messages that are to join their ordering keys" },
  {
    table: /^audit_block_entries$/,
    statement: /^INSERT INTO audit_blocks /,
    reason: "passed over while no foreign key is violated: a parent with a trigger is planned as if it could mend one",
  },
  { table: /^demands$/, statement: /^INSERT INTO demand_sets/, reason: "once for each new set of capabilities" },
  { table: /^capability_sets$/, statement: /^SELECT set_no FROM capability_sets/, reason: "once for each new demand" },
];

/** Sorts of no more than a bounded number of rows, each with its reason. */
const SORTS: readonly { statement: RegExp; reason: string }[] = [
  {
    statement: /^SELECT agent_no, [^;]* FROM agents WHERE [^;]*CROSS JOIN channel_members m /,
    reason: "a page of those that share a channel with one agent: as many as its channels have members",
  },
  {
    statement: /^SELECT \* FROM \(SELECT arrival.* LIMIT \S+\)/,
    reason: "a merge of streams, each cut at the limit",
  },
  { statement: /^SELECT \* FROM \(SELECT \w+ AS key_version/, reason: "a merge of walks, each cut at 200" },
  { statement: /message_id IN \(SELECT value FROM json_each/, reason: "at most 1,000 ids" },
  { statement: /FROM schedules INDEXED BY schedules_due .* ORDER BY place LIMIT/, reason: "what is due now" },
  { statement: /FROM channel_members m JOIN agents a/, reason: "at most 1,000 members" },
  {
    statement: /^SELECT channel_no.*FROM channels WHERE name > \?.*channel_no IN/,
    reason: "the channels of one agent",
  },
  { statement: /AS pending$/, reason: "the keys of at most 1,000 messages" },
  {
    statement: /^INSERT INTO mailbox_senders SELECT/,
    reason: "once, when a mailbox gets more than half full: it is at most AGENT_MAX_MAILBOX",
  },
  { statement: /^WITH sample AS/, reason: "a sample of at most 1,000 attempts" },
  { statement: /FROM task_usage WHERE task_no = \? GROUP BY/, reason: "at most 32 models of each attempt of one task" },
  { statement: /FROM usage_hours WHERE .* GROUP BY/s, reason: "at most 2,000 hours at once" },
  {
    statement: /^SELECT agent_no.*FROM agents WHERE agent_id > \? AND set_no IN/,
    reason: "a list that people ask for",
  },
];

// After every contract of this file has run; alone it has nothing to look at, and says so.
describe("query plans of every statement that the contract ran on SQLite", () => {
  const database = emptySchema();
  afterAll(() => {
    recorded.stop();
    database.close();
  });

  it("use every index that the schema declares", () => {
    expect(recorded.statements.size).toBeGreaterThan(250);
    const used = new Set(
      plansOf(database, recorded.statements).flatMap(({ detail }) => /INDEX (\w+)/.exec(detail)?.[1] ?? []),
    );
    expect(declaredIndexes(database).filter((name) => !used.has(name))).toEqual([]);
  });

  it("read no table from end to end that grows with use", () => {
    const scans = plansOf(database, recorded.statements).filter(({ sql, detail }) => {
      const table = /^SCAN (\w+)/.exec(detail)?.[1];
      if (table === undefined || /VIRTUAL TABLE|^SCAN (?:CONSTANT|sample|sqlite_schema)/.test(detail)) return false;
      return !SCANS.some((allowed) => allowed.table.test(table) && allowed.statement.test(sql));
    });
    expect(scans).toEqual([]);
  });

  it("sort nothing that grows with use", () => {
    const sorts = plansOf(database, recorded.statements).filter(
      ({ sql, detail }) => /TEMP B-TREE/.test(detail) && !SORTS.some(({ statement }) => statement.test(sql)),
    );
    expect(sorts).toEqual([]);
  });
});
