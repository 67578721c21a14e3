import { z } from "zod";
import type { Operator, StatementPlan } from "./plan.ts";

/**
 * Reads what Babelfish for PostgreSQL gives instead of SET STATISTICS XML: one JSON document of EXPLAIN (ANALYZE, BUFFERS) per
 * statement. It is not SQL Server's optimizer: what it shows is whether an index serves the statement at all.
 */

/** What turns the documents on, besides BABELFISH_ON. */
export const BABELFISH_SETTINGS = Object.entries({
  format: "json",
  buffers: "on",
  costs: "off",
  timing: "off",
  summary: "off",
}).map(
  ([name, value]) =>
    `SELECT CAST(set_config('babelfishpg_tsql.explain_${name}', '${value}', false) AS varchar(20)) AS value`,
);

const nodeSchema = z.object({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Index Name": z.string().optional(),
  "Index Cond": z.string().optional(),
  "Actual Rows": z.number().default(0),
  "Actual Loops": z.number().default(0),
  "Rows Removed by Filter": z.number().default(0),
  "Rows Removed by Index Recheck": z.number().default(0),
  "Shared Hit Blocks": z.number().default(0),
  "Shared Read Blocks": z.number().default(0),
  get Plans() {
    return z.array(nodeSchema).default([]);
  },
});
type Node = z.output<typeof nodeSchema>;

const documentSchema = z.object({ "Query Text": z.string().default(""), Plan: nodeSchema });

function kindOf(node: Node): Operator["kind"] {
  const name = node["Node Type"];
  if (/^(Seq|Bitmap Heap|Sample|Tid) Scan$/.test(name)) return name === "Bitmap Heap Scan" ? "seek" : "scan";
  if (/^(Bitmap )?Index( Only)? Scan$/.test(name)) return node["Index Cond"] === undefined ? "scan" : "seek";
  return /Sort$/.test(name) ? "sort" : "other";
}

/** The engine puts a hash after an index's name, and a number after a table variable's. */
function bareIndex(index: string | undefined): string | undefined {
  return index?.replace(/[0-9a-f]{32}$/, "");
}

function blocks(node: Node): number {
  return node["Shared Hit Blocks"] + node["Shared Read Blocks"];
}

/** Rows that an operator read, not only those that it gave; of a sort, those that it was given. */
function rowsOf(node: Node): number {
  const own = node["Actual Rows"] + node["Rows Removed by Filter"] + node["Rows Removed by Index Recheck"];
  const inputs = kindOf(node) === "sort" ? node.Plans : [];
  return Math.max(own * node["Actual Loops"], ...inputs.map((input) => input["Actual Rows"] * input["Actual Loops"]));
}

/** An operator's buffers count those of the operators below it, too. */
function readNode(node: Node): Operator[] {
  const loops = node["Actual Loops"];
  const operator: Operator = {
    name: node["Node Type"],
    kind: kindOf(node),
    table: node["Relation Name"]?.replace(/^(@.*)_\d+$/, "$1"),
    index: bareIndex(node["Index Name"]),
    rows: Math.round(rowsOf(node)),
    reads: blocks(node) - node.Plans.reduce((sum, child) => sum + blocks(child), 0),
    ran: loops > 0,
  };
  return [operator, ...node.Plans.flatMap(readNode)];
}

/** The statement of one document. */
export function readBabelfishPlan(json: string): StatementPlan[] {
  const { "Query Text": text, Plan } = documentSchema.parse(JSON.parse(json));
  return [{ text, operators: readNode(Plan) }];
}
