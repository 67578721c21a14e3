import { describe, expect, it } from "@jest/globals";
import { readBabelfishPlan } from "../../../scripts/query-plans/babelfish-plan.ts";
import { faultsOf } from "../../../scripts/query-plans/judge.ts";
import type { Operator } from "../../../scripts/query-plans/plan.ts";
import { readShowplanXml } from "../../../scripts/query-plans/showplan-xml.ts";

/** The verdicts of `npm run query-plans`, which needs a server itself, on plans as the engines write them. */

const counters = (rows: number, read: number, reads: number, executions = 1) =>
  `<RunTimeInformation><RunTimeCountersPerThread Thread="0" ActualRows="${rows}" ActualRowsRead="${read}" Batches="0" ` +
  `ActualEndOfScans="1" ActualExecutions="${executions}" ActualLogicalReads="${reads}" ActualPhysicalReads="0" /></RunTimeInformation>`;

const object = (table: string, index: string) =>
  `<Object Database="[app]" Schema="[dbo]" Table="[${table}]" Index="[${index}]" Alias="[m]" IndexKind="NonClustered" />`;

/** A claim's look at one stream: a seek, a look-up of the row, a sort of two. */
const SEEK = `<ShowPlanXML xmlns="http://schemas.microsoft.com/sqlserver/2004/07/showplan" Version="1.564" Build="17.0.1000.7">
<BatchSequence><Batch><Statements><StmtSimple StatementText="SELECT TOP (2) m.arrival FROM dbo.messages AS m WHERE m.available_at &lt;= @now &#xd;&#xa;ORDER BY m.rank" StatementId="1" StatementType="SELECT">
<StatementSetOptions ANSI_NULLS="true" /><QueryPlan DegreeOfParallelism="1" CachedPlanSize="40">
<RelOp NodeId="0" PhysicalOp="Sort" LogicalOp="TopN Sort" EstimateRows="2"><OutputList><ColumnReference Column="arrival" /></OutputList>${counters(2, 0, 0)}
<TopSort Distinct="0" Rows="2"><OrderBy /><RelOp NodeId="1" PhysicalOp="Nested Loops" LogicalOp="Inner Join">${counters(2, 0, 0)}
<NestedLoops Optimized="0"><OuterReferences />
<RelOp NodeId="2" PhysicalOp="Index Seek" LogicalOp="Index Seek">${counters(2, 5, 3)}<IndexScan Ordered="1" ScanDirection="FORWARD">
<DefinedValues />${object("messages", "messages_ready")}<SeekPredicates><SeekPredicateNew /></SeekPredicates></IndexScan></RelOp>
<RelOp NodeId="3" PhysicalOp="Clustered Index Seek" LogicalOp="Clustered Index Seek">${counters(2, 2, 6, 2)}<IndexScan Lookup="true" Ordered="1">
${object("messages", "messages_pk")}</IndexScan></RelOp></NestedLoops></RelOp></TopSort></RelOp></QueryPlan></StmtSimple></Statements></Batch></BatchSequence></ShowPlanXML>`;

const SCAN = `<ShowPlanXML><BatchSequence><Batch><Statements><StmtSimple StatementText="UPDATE c SET value = 1" StatementId="1">
<QueryPlan><RelOp NodeId="0" PhysicalOp="Hash Match" LogicalOp="Inner Join">${counters(1, 0, 0)}
<Hash><RelOp NodeId="1" PhysicalOp="Table Scan" LogicalOp="Table Scan">${counters(1, 1, 1)}<TableScan>
<Object Table="[@counts]" Storage="RowStore" /></TableScan></RelOp>
<RelOp NodeId="2" PhysicalOp="Clustered Index Scan" LogicalOp="Clustered Index Scan">${counters(1, 90_000, 400)}<IndexScan Ordered="0">
${object("counters", "counters_pk")}</IndexScan></RelOp></Hash></RelOp></QueryPlan></StmtSimple></Statements></Batch></BatchSequence></ShowPlanXML>`;

const judge = { growing: new Set(["messages", "counters"]), calls: 1 };

describe("query plans", () => {
  it("read SQL Server's operators with their tables, rows and reads", () => {
    const [plan] = readShowplanXml(SEEK);
    expect(plan?.text).toBe(
      "SELECT TOP (2) m.arrival FROM dbo.messages AS m WHERE m.available_at <= @now \r\nORDER BY m.rank",
    );
    const operator = (part: Partial<Operator>) => ({
      table: undefined,
      index: undefined,
      reads: 0,
      ran: true,
      ...part,
    });
    expect(plan?.operators).toEqual([
      operator({ name: "Sort", kind: "sort", rows: 2 }),
      operator({ name: "Nested Loops", kind: "other", rows: 2 }),
      operator({ name: "Index Seek", kind: "seek", table: "messages", index: "messages_ready", rows: 5, reads: 3 }),
      operator({ name: "Key Lookup", kind: "seek", table: "messages", index: "messages_pk", rows: 2, reads: 6 }),
    ]);
    expect(faultsOf(readShowplanXml(SEEK), judge)).toEqual([]);
  });

  it("name the scan of a table that grows, and not that of a table variable", () => {
    expect(faultsOf(readShowplanXml(SCAN), judge)).toEqual(["scans 90000 rows of counters: UPDATE c SET value = 1"]);
  });

  it("take the head of an index that a TOP reads for no scan", () => {
    const head = SCAN.replaceAll('ActualRowsRead="90000"', 'ActualRowsRead="1"');
    expect(faultsOf(readShowplanXml(head), judge)).toEqual([]);
  });

  it("pass over what was planned and not run", () => {
    const unused = SCAN.replaceAll('ActualExecutions="1"', 'ActualExecutions="0"');
    expect(faultsOf(readShowplanXml(unused), judge)).toEqual([]);
  });

  it("find reads and sorts of more rows than a call may touch", () => {
    const operator = { name: "", index: undefined, reads: 0, ran: true };
    const plans = [
      {
        text: "SELECT",
        operators: [
          { ...operator, kind: "seek" as const, table: "messages", rows: 5_000 },
          { ...operator, kind: "sort" as const, table: undefined, rows: 5_000 },
        ],
      },
    ];
    expect(faultsOf(plans, judge)).toEqual(["reads 5000 rows of messages: SELECT", "sorts 5000 rows: SELECT"]);
    expect(faultsOf(plans, { ...judge, calls: 32 })).toEqual([]);
    const seek = { ...operator, kind: "seek" as const, table: "messages", rows: 1, reads: 900 };
    expect(faultsOf([{ text: "SELECT", operators: [seek] }], judge)).toEqual(["reads 900 pages of messages: SELECT"]);
  });

  it("read the documents of a server that explains as PostgreSQL does", () => {
    const node = { "Actual Loops": 1, "Shared Hit Blocks": 4, "Shared Read Blocks": 1 };
    const seek = { ...node, "Node Type": "Index Scan", "Index Cond": "(a = 1)", "Relation Name": "messages" };
    const plan = {
      "Query Text": "SELECT 1",
      Plan: {
        ...node,
        "Node Type": "Sort",
        "Actual Rows": 2,
        "Shared Hit Blocks": 9,
        Plans: [
          { ...seek, "Actual Rows": 2, "Rows Removed by Filter": 3, "Index Name": `messages_ready${"0f".repeat(16)}` },
        ],
      },
    };
    const [statement] = readBabelfishPlan(JSON.stringify(plan));
    const read = statement?.operators.map(({ kind, table, index, rows, reads }) => [kind, table, index, rows, reads]);
    expect(read).toEqual([
      ["sort", undefined, undefined, 2, 5],
      ["seek", "messages", "messages_ready", 5, 5],
    ]);
  });
});
