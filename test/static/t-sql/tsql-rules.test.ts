import { beforeAll, describe, expect, it } from "@jest/globals";
import { inputsOf, unknownNames } from "./names.ts";
import { hintProblems, keyProblems, orderProblems } from "./rules.ts";
import { type Schema, schemaOf } from "./schema.ts";
import { refusals } from "./semantics.ts";
import type { Problem, SyntaxNode } from "./syntax-tree.ts";
import { NO_DOTNET, type Parsed, parse } from "./tsql-parser.ts";

/** The checks of tsql-texts.test.ts see what they are meant to see: each is shown a text with the defect, and one without. */

const TABLES = `CREATE TABLE dbo.agents (agent_no int NOT NULL PRIMARY KEY, agent_id varchar(9) NOT NULL UNIQUE, status varchar(9) NOT NULL);
GO
CREATE TABLE dbo.messages (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL REFERENCES dbo.agents (agent_no),
  status varchar(9) NOT NULL, CONSTRAINT known CHECK (status IN ('queued', 'leased')));
CREATE INDEX ready ON dbo.messages (receiver_no) INCLUDE (status) WHERE status = 'queued';
GO
CREATE TABLE dbo.attempts (task_no bigint NOT NULL, attempt int NOT NULL, ended_at bigint NULL, PRIMARY KEY (task_no, attempt));
GO
CREATE TABLE log.entries (entry_no bigint NOT NULL PRIMARY KEY, at bigint NOT NULL);`;
const ORDER = [["agents"], ["messages", "attempts"]];

/** Texts by what is wrong with them, each with a part of the message that must be there; none: nothing is wrong. */
const NAMES: readonly [sql: string, message?: string][] = [
  ["SELECT a.agent_id FROM dbo.agents AS a WHERE a.status = @status ORDER BY a.agent_no"],
  ["SELECT a.name FROM dbo.agents AS a", "no column a.name"],
  ["SELECT a.agent_id FROM dbo.agent AS a", "no table dbo.agent"],
  ["SELECT a.agent_id FROM agents AS a", "does not name its schema"],
  ["SELECT e.entry_no FROM log.entries AS e"],
  ["SELECT e.entry_no FROM dbo.entries AS e", "no table dbo.entries"],
  ["SELECT a.agent_no FROM log.agents AS a", "no table log.agents"],
  ["SELECT agent_no FROM dbo.agents AS a JOIN dbo.agents AS b ON b.agent_no = a.agent_no", "agent_no may be of a or b"],
  ["SELECT x.agent_no FROM dbo.agents AS a", "no column x.agent_no"],
  [
    "SELECT a.agent_no FROM dbo.agents AS a WHERE EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no)",
  ],
  [
    "SELECT 1 AS n FROM dbo.agents AS a WHERE EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.sender_no = a.agent_no)",
    "m.sender_no",
  ],
  ["SELECT q.n FROM (SELECT COUNT(*) AS n FROM dbo.agents AS a) AS q ORDER BY n"],
  ["SELECT q.m FROM (SELECT COUNT(*) AS n FROM dbo.agents AS a) AS q", "no column q.m"],
  ["SELECT c.n FROM dbo.agents AS a CROSS APPLY (VALUES (a.status, 1), ('x', 2)) AS c (s, n)"],
  ["SELECT c.n FROM dbo.agents AS a CROSS APPLY (VALUES (a.state, 1)) AS c (s, n)", "a.state"],
  ["SELECT j.id FROM OPENJSON(@items) WITH (id varchar(9), no int '$.number') AS j WHERE j.no = 1"],
  ["SELECT j.number FROM OPENJSON(@items) WITH (id varchar(9), no int '$.number') AS j", "j.number"],
  ["WITH w AS (SELECT a.agent_no AS no FROM dbo.agents AS a) SELECT w.no FROM w"],
  ["WITH w AS (SELECT a.agent_no AS no FROM dbo.agents AS a) SELECT w.agent_no FROM w", "w.agent_no"],
  [
    "DECLARE @t TABLE (a int PRIMARY KEY); INSERT INTO @t (a) SELECT a.agent_no FROM dbo.agents AS a; SELECT t.a FROM @t AS t",
  ],
  ["DECLARE @t TABLE (a int PRIMARY KEY); INSERT INTO @t (b) SELECT 1", "no column b"],
  ["INSERT INTO @t (a) SELECT 1; DECLARE @t TABLE (a int PRIMARY KEY);", "no table variable @t"],
  ["DECLARE @x int; IF 1 = 1 BEGIN DECLARE @x int; END", "@x is declared twice"],
  ["SET @x = 1; DECLARE @x int;", "@x is used before it is declared"],
  ["UPDATE a SET status = 'x' OUTPUT deleted.status INTO @o (was) FROM dbo.agents AS a WHERE a.agent_no = 1", "@o"],
  ["UPDATE a SET state = 'x' FROM dbo.agents AS a WHERE a.agent_no = 1", "no column state"],
  ["UPDATE a SET status = 'x' FROM dbo.agents AS a WHERE a.agent_no = b.agent_no", "no column b.agent_no"],
  ["DELETE FROM dbo.agents OUTPUT deleted.name WHERE agent_no = 1", "no column deleted.name"],
  ["SELECT DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) AS now"],
  ["WHILE EXISTS (SELECT 1 FROM dbo.nothing) BREAK", "no table dbo.nothing"],
  ["CREATE INDEX i ON dbo.agents (name)", "no column name"],
];

/** `agent_id` of this table is compared byte for byte, `@t.id` and OPENJSON's as the database has it. */
const NAMED_TABLE = `CREATE TABLE dbo.named (agent_id varchar(9) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, no int NOT NULL);`;
const T = "DECLARE @t TABLE (id varchar(9) PRIMARY KEY, no int); ";
const JSON_ROWS = "OPENJSON(@items) WITH (id varchar(9), no int) AS j";
const COLLATIONS: readonly [sql: string, message?: string][] = [
  [`SELECT n.no FROM dbo.named AS n JOIN ${JSON_ROWS} ON j.no = n.no WHERE n.agent_id = @id AND n.agent_id <> 'x'`],
  [`SELECT n.no FROM dbo.named AS n JOIN ${JSON_ROWS} ON j.id = n.agent_id`, "collations in conflict"],
  [`SELECT n.no FROM dbo.named AS n JOIN ${JSON_ROWS} ON j.id COLLATE Latin1_General_100_BIN2 = n.agent_id`],
  [`${T}SELECT n.no FROM dbo.named AS n WHERE n.agent_id IN (SELECT t.id FROM @t AS t)`, "collations in conflict"],
  [`${T}SELECT n.no FROM dbo.named AS n WHERE n.agent_id = (SELECT MAX(t.id) FROM @t AS t)`, "collations in conflict"],
  [`${T}SELECT CONCAT(t.id, n.agent_id) AS both FROM dbo.named AS n CROSS JOIN @t AS t`, "collations in conflict"],
  [`${T}SELECT CONCAT(t.id, n.no, 'x') AS both FROM dbo.named AS n CROSS JOIN @t AS t`],
  [`${T}SELECT n.agent_id FROM dbo.named AS n UNION ALL SELECT t.id FROM @t AS t`, "agent_id is of collation"],
  [
    `${T}SELECT q.a FROM (SELECT UPPER(n.agent_id) FROM dbo.named AS n) AS q (a) JOIN @t AS t ON t.id = q.a`,
    "in conflict",
  ],
  ["SELECT n.no FROM dbo.named AS n JOIN OPENJSON(@ids) AS j ON j.[value] = n.agent_id", "collations in conflict"],
  [
    `${T}SELECT CASE WHEN n.no = 1 THEN n.agent_id ELSE t.id END AS x FROM dbo.named AS n CROSS JOIN @t AS t`,
    "in conflict",
  ],
];

const WIDTHS: readonly [sql: string, message?: string][] = [
  ["SELECT n.no FROM dbo.named AS n WHERE n.agent_id = 'x' OR n.agent_id IN ('y', @id)"],
  ["SELECT n.no FROM dbo.named AS n WHERE n.agent_id = N'x'", "compared with an nvarchar"],
  ["SELECT n.no FROM dbo.named AS n WHERE n.agent_id IN ('y', N'x')", "compared with an nvarchar"],
  ["DECLARE @v nvarchar(9) = 'x'; SELECT n.no FROM dbo.named AS n WHERE n.agent_id = @v", "compared with an nvarchar"],
  ["DECLARE @v varchar(9) = 'x'; SELECT n.no FROM dbo.named AS n WHERE n.agent_id = @v"],
  ["SELECT n.no FROM dbo.named AS n WHERE n.agent_id = JSON_VALUE(@items, '$.id')", "compared with an nvarchar"],
  ["SELECT n.no FROM dbo.named AS n WHERE n.agent_id = CAST(JSON_VALUE(@items, '$.id') AS varchar(9))"],
  ["SELECT n.no FROM dbo.named AS n WHERE n.no = CAST(JSON_VALUE(@items, '$.no') AS int)"],
  ["SELECT n.no FROM dbo.named AS n WHERE CONCAT(n.agent_id, N'x') = @id"],
];

const REFUSALS: readonly [sql: string, message?: string][] = [
  ["SELECT a.status, COUNT(*) AS n FROM dbo.agents AS a GROUP BY a.status HAVING COUNT(*) > 1 ORDER BY n"],
  ["SELECT a.agent_no, a.status, COUNT(*) AS n FROM dbo.agents AS a GROUP BY a.agent_no", "a.status is not grouped by"],
  ["SELECT a.status, MAX(a.agent_no) AS last FROM dbo.agents AS a", "a.status is not grouped by"],
  ["SELECT a.status, MAX(a.agent_no) OVER (ORDER BY a.status) AS last FROM dbo.agents AS a"],
  ["SELECT SUM(CASE WHEN EXISTS (SELECT 1) THEN 1 ELSE 0 END) AS n FROM dbo.agents AS a", "SUM of a subquery"],
  ["DECLARE @t TABLE (ready bit NOT NULL); SELECT MAX(t.ready) AS any_ready FROM @t AS t", "MAX of the bit ready"],
  ["DECLARE @t TABLE (ready bit NOT NULL); SELECT MAX(CAST(t.ready AS int)) AS any_ready FROM @t AS t"],
  ["SELECT STRING_AGG(a.agent_id, ',') AS ids FROM dbo.agents AS a", "STRING_AGG of a text"],
  [
    "SELECT STRING_AGG(CAST(a.agent_id AS varchar(max)), ',') WITHIN GROUP (ORDER BY a.agent_no) AS ids FROM dbo.agents AS a",
  ],
  ["SELECT q.n FROM (SELECT TOP (3) a.agent_no AS n FROM dbo.agents AS a ORDER BY a.status) AS q"],
  ["SELECT 1 AS n FROM (SELECT COUNT(*) FROM dbo.agents AS a) AS q", "has no name"],
  ["SELECT q.n FROM (SELECT COUNT(*) FROM dbo.agents AS a) AS q (n)"],
  [
    "SELECT 1 AS n FROM dbo.agents AS b CROSS APPLY (SELECT b.status, a.status FROM dbo.agents AS a) AS q",
    "two columns status",
  ],
  ["DECLARE @n int; SELECT @n = a.agent_no, a.status FROM dbo.agents AS a", "some columns are assigned"],
];

const HINTS: readonly [sql: string, message?: string][] = [
  ["SELECT 1 AS n FROM dbo.messages WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)"],
  ["SELECT 1 AS n FROM dbo.messages WITH (UPDLOCK, READPAST)", "READPAST without READCOMMITTEDLOCK"],
  ["SELECT 1 AS n FROM dbo.agents WITH (READPAST, READCOMMITTEDLOCK)", "READPAST would pass over"],
  ["UPDATE m SET status = 'x' FROM dbo.messages AS m WITH (READPAST) WHERE m.arrival = 1", "READPAST without"],
  ["SELECT 1 AS n FROM dbo.messages WITH (NOLOCK)", "the hint NoLock"],
];

const KEYS: readonly [sql: string, message?: string][] = [
  ["UPDATE dbo.messages SET status = 'x' WHERE arrival = @arrival AND status = 'queued'"],
  ["UPDATE dbo.messages SET status = 'x' WHERE status = 'queued'", "UpdateStatement of messages by status"],
  ["UPDATE dbo.messages SET status = 'x'", "by nothing"],
  ["UPDATE dbo.messages SET status = 'x' WHERE arrival = @arrival OR status = 'queued'", "by nothing"],
  ["UPDATE dbo.messages SET status = 'x' WHERE arrival > @arrival", "by nothing"],
  ["UPDATE TOP (10) dbo.messages SET status = 'x' WHERE status = 'queued'"],
  ["DELETE TOP (10) FROM dbo.messages WHERE status = 'queued'"],
  ["DELETE FROM dbo.messages WHERE receiver_no = 1", "DeleteStatement of messages by receiver_no"],
  ["DELETE FROM dbo.messages WHERE arrival IN (SELECT e.arrival FROM @ended AS e)"],
  ["DELETE FROM dbo.messages WHERE arrival NOT IN (SELECT e.arrival FROM @ended AS e)", "by nothing"],
  ["UPDATE dbo.agents SET status = 'x' WHERE agent_id = @agentId"],
  ["UPDATE m SET status = 'x' FROM @ended AS e JOIN dbo.messages AS m ON m.arrival = e.arrival WHERE m.status = e.was"],
  [
    "UPDATE m SET status = 'x' FROM @ended AS e JOIN dbo.messages AS m ON m.receiver_no = e.receiver_no",
    "by receiver_no",
  ],
  ["UPDATE m SET status = 'x' FROM @ended AS e LEFT JOIN dbo.messages AS m ON m.arrival = e.arrival", "by nothing"],
  ["UPDATE m SET status = 'x' FROM dbo.messages AS m WHERE m.arrival = m.receiver_no", "by nothing"],
  ["DELETE FROM dbo.attempts WHERE task_no = 1"],
  ["DELETE FROM dbo.attempts WHERE attempt = 1", "by attempt"],
  ["DELETE FROM @ended; UPDATE e SET was = 'x' FROM @ended AS e"],
];

const ORDERS: readonly [sql: string, message?: string][] = [
  ["BEGIN TRANSACTION; UPDATE dbo.agents SET status = 'x'; DELETE FROM dbo.messages; COMMIT TRANSACTION;"],
  [
    "BEGIN TRANSACTION; DELETE FROM dbo.messages; UPDATE dbo.agents SET status = 'x'; COMMIT;",
    "agents is written after messages",
  ],
  ["DELETE FROM dbo.messages; UPDATE dbo.agents SET status = 'x';"],
  ["BEGIN TRANSACTION; DELETE FROM dbo.messages; COMMIT; BEGIN TRANSACTION; DELETE FROM dbo.agents; COMMIT;"],
  ["BEGIN TRANSACTION; IF @a = 1 DELETE FROM dbo.messages; ELSE DELETE FROM dbo.agents; COMMIT;"],
  [
    "BEGIN TRANSACTION; IF @a = 1 BEGIN DELETE FROM dbo.messages; END; DELETE FROM dbo.agents; COMMIT;",
    "agents is written after",
  ],
  [
    "BEGIN TRANSACTION; WHILE @a = 1 BEGIN DELETE FROM dbo.agents; DELETE FROM dbo.messages; END; COMMIT;",
    "agents is written after",
  ],
  [
    "BEGIN TRANSACTION; DELETE a FROM dbo.messages AS m JOIN dbo.agents AS a ON a.agent_no = m.receiver_no; DELETE FROM dbo.attempts; COMMIT;",
  ],
  [
    "BEGIN TRANSACTION; DELETE m FROM @x AS x JOIN dbo.messages AS m ON m.arrival = x.a; DELETE FROM dbo.agents; COMMIT;",
    "agents is",
  ],
  [
    "BEGIN TRANSACTION; INSERT INTO @x SELECT m.arrival FROM dbo.messages AS m WITH (UPDLOCK); DELETE FROM dbo.agents; COMMIT;",
    "agents is written after",
  ],
  ["BEGIN TRANSACTION; UPDATE dbo.elsewhere SET a = 1; COMMIT;", "elsewhere has no place in the lock order"],
  ["BEGIN TRANSACTION; INSERT INTO log.entries (at) VALUES (1); UPDATE dbo.agents SET status = 'x'; COMMIT;"],
  [
    "BEGIN TRANSACTION; DELETE FROM log.entries WHERE entry_no = 1; COMMIT;",
    "log.entries has no place in the lock order",
  ],
];

/** For it.each, which fills a place that a row leaves empty. */
function cases(rows: readonly [sql: string, message?: string][]) {
  return rows.map(([sql, message]) => ({ sql, message }));
}

if (NO_DOTNET === undefined) checks();
else it("checks the rules about T-SQL", () => console.log(`the rules about T-SQL: ${NO_DOTNET}`));

function checks(): void {
  const parsed = new Map<string, Parsed>();
  let schema: Schema = new Map();
  let named: Schema = new Map();

  beforeAll(() => {
    const texts = [TABLES, NAMED_TABLE, "SELECT 1 AS of", "SELEC FROM\n WHERE"];
    for (const [sql] of [...NAMES, ...COLLATIONS, ...WIDTHS, ...REFUSALS, ...HINTS, ...KEYS, ...ORDERS])
      texts.push(sql);
    for (const one of parse(new Map(texts.map((sql) => [sql, sql])))) parsed.set(one.name, one);
    schema = schemaOf([treeOf(TABLES)]);
    named = schemaOf([treeOf(NAMED_TABLE)]);
  }, 300_000);

  function treeOf(sql: string): SyntaxNode {
    const { tree, errors } = parsed.get(sql) ?? { tree: null, errors: [] };
    if (tree === null || tree === undefined) throw new Error(`${sql}: ${errors[0]?.message}`);
    return tree;
  }

  function expectProblem(found: readonly Problem[], message: string | undefined): void {
    const messages = found.map((problem) => problem.message);
    if (message === undefined) expect(messages).toEqual([]);
    else expect(messages).toEqual([expect.stringContaining(message)]);
  }

  describe("the checks of T-SQL", () => {
    it("see syntax errors, and where they are", () => {
      expect(parsed.get("SELECT 1 AS of")?.errors).toEqual([expect.objectContaining({ line: 1, column: 10 })]);
      expect(parsed.get("SELEC FROM\n WHERE")?.errors.length).toBeGreaterThan(0);
      expect(parsed.get(TABLES)?.errors).toEqual([]);
    });

    it("know tables, columns and keys from the migrations", () => {
      expect([...schema.keys()]).toEqual(["agents", "messages", "attempts", "log.entries"]);
      expect(schema.get("agents")?.keys).toEqual([["agent_no"], ["agent_id"]]);
      expect(schema.get("attempts")?.keys).toEqual([["task_no", "attempt"]]);
      expect(unknownNames("tables", treeOf(TABLES), schema)).toEqual([]);
    });

    it.each(cases(NAMES))("look names up: $sql", ({ sql, message }) => {
      expectProblem(unknownNames("text", treeOf(sql), schema), message);
    });

    it.each(cases(COLLATIONS))("compare collations: $sql", ({ sql, message }) => {
      expectProblem(unknownNames("text", treeOf(sql), named), message);
    });

    it.each(cases(WIDTHS))("see a conversion that costs the seek: $sql", ({ sql, message }) => {
      expectProblem(unknownNames("text", treeOf(sql), named), message);
    });

    it.each(cases(REFUSALS))("know what the server refuses: $sql", ({ sql, message }) => {
      expectProblem(refusals("text", treeOf(sql), new Set()), message);
    });

    it("know the inputs of a text", () => {
      const [first] = NAMES;
      expect(inputsOf(treeOf(first?.[0] ?? ""))).toEqual(new Set(["status"]));
    });

    it.each(cases(HINTS))("look at hints: $sql", ({ sql, message }) => {
      expectProblem(hintProblems("text", treeOf(sql)), message);
    });

    it.each(cases(KEYS))("ask for a key: $sql", ({ sql, message }) => {
      expectProblem(keyProblems("text", treeOf(sql), schema), message);
    });

    it.each(cases(ORDERS))("follow the order of locks: $sql", ({ sql, message }) => {
      expectProblem(orderProblems("text", treeOf(sql), ORDER, ["log.entries"]), message);
    });
  });
}
