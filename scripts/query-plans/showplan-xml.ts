import type { Operator, StatementPlan } from "./plan.ts";

/**
 * Reads what SET STATISTICS XML gives: one document per statement. Only five of its elements matter, so it is read by their
 * names, not through a parser of all XML: attribute values hold no `<`, `>` or `"` there (they are escaped).
 */

/** One element with the attributes and children that it has. */
interface Element {
  name: string;
  attributes: ReadonlyMap<string, string>;
  children: Element[];
}

const TAG = /<(\/?)([\w:.]+)((?:\s+[\w:.]+="[^"]*")*)\s*(\/?)>/g;
const ATTRIBUTE = /([\w:.]+)="([^"]*)"/g;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function plainText(text: string): string {
  return text.replaceAll(/&(#x?)?(\w+);/g, (all, numeric: string | undefined, body: string) => {
    if (numeric === undefined) return ENTITIES[body] ?? all;
    return String.fromCodePoint(Number.parseInt(body, numeric === "#x" ? 16 : 10));
  });
}

/** The elements of a document, under a root of no name. */
function readElements(xml: string): Element {
  const root: Element = { name: "", attributes: new Map(), children: [] };
  const open = [root];
  for (const [, closes, name = "", attributes = "", empty] of xml.matchAll(TAG)) {
    if (closes === "/") {
      if (open.length > 1) open.pop();
      continue;
    }
    const found = [...attributes.matchAll(ATTRIBUTE)].map(
      ([, key = "", value = ""]) => [key, plainText(value)] as const,
    );
    const element: Element = { name, attributes: new Map(found), children: [] };
    open.at(-1)?.children.push(element);
    if (empty !== "/") open.push(element);
  }
  return root;
}

/** Elements of a name below an element, but not below another one that `within` names. */
function below(element: Element, name: string, within?: string): Element[] {
  return element.children.flatMap((child) => {
    if (child.name === name) return [child, ...(within === name ? [] : below(child, name, within))];
    return child.name === within ? [] : below(child, name, within);
  });
}

/** `[messages]` → messages */
function bare(name: string | undefined): string | undefined {
  return name?.replaceAll(/^\[|\]$/g, "");
}

function sum(counters: readonly Element[], name: string): number {
  return counters.reduce((total, { attributes }) => total + Number(attributes.get(name) ?? 0), 0);
}

/** What the threads of an operator counted; objects, counters and the like of the operators below it are theirs. */
function countersOf(element: Element): Element[] {
  return below(element, "RunTimeCountersPerThread", "RelOp");
}

/** Rows that an operator read, not only those that it gave; of a sort, those that it was given. */
function rowsOf(element: Element, kind: Operator["kind"]): number {
  const counters = countersOf(element);
  const inputs = kind === "sort" ? below(element, "RelOp", "RelOp") : [];
  const given = inputs.map((input) => sum(countersOf(input), "ActualRows"));
  return Math.max(sum(counters, "ActualRowsRead"), sum(counters, "ActualRows"), ...given);
}

function kindOf(name: string): Operator["kind"] {
  if (/^(Table|Clustered Index|Index|Columnstore Index) Scan$/.test(name)) return "scan";
  if (/Seek|Lookup/.test(name)) return "seek";
  return /Sort/.test(name) ? "sort" : "other";
}

function readOperator(element: Element): Operator {
  const name = element.attributes.get("PhysicalOp") ?? "?";
  const counters = countersOf(element);
  const [object] = below(element, "Object", "RelOp");
  const kind = kindOf(name);
  return {
    name: below(element, "IndexScan", "RelOp")[0]?.attributes.get("Lookup") === "true" ? "Key Lookup" : name,
    kind,
    table: bare(object?.attributes.get("Table")),
    index: bare(object?.attributes.get("Index")),
    rows: rowsOf(element, kind),
    reads: sum(counters, "ActualLogicalReads"),
    ran: sum(counters, "ActualExecutions") > 0,
  };
}

/** The statements of one showplan document that have a plan. */
export function readShowplanXml(xml: string): StatementPlan[] {
  const root = readElements(xml);
  const statements = ["StmtSimple", "StmtCond", "StmtCursor"].flatMap((name) => below(root, name));
  return statements.flatMap((statement) => {
    const operators = below(statement, "RelOp").map(readOperator);
    return operators.length === 0 ? [] : [{ text: statement.attributes.get("StatementText") ?? "", operators }];
  });
}
