import {
  child,
  everyNode,
  list,
  nodesOf,
  type Problem,
  parts,
  qualified,
  type SyntaxNode,
  word,
} from "./syntax-tree.ts";

/** What SQL Server refuses although it parses; other servers that speak its protocol let some of it pass. */

const AGGREGATES = new Set(["AVG", "COUNT", "COUNT_BIG", "MAX", "MIN", "STRING_AGG", "SUM"]);
/** They take no bit (8117). */
const NOT_OF_BITS = new Set(["AVG", "MAX", "MIN", "SUM"]);
const QUERIES = ["QuerySpecification", "BinaryQueryExpression"];

/** @param bits columns of type bit, of the tables that the text uses */
export function refusals(text: string, tree: SyntaxNode, bits: ReadonlySet<string>): Problem[] {
  const problems: Problem[] = [];
  const problem = (node: SyntaxNode, message: string) => problems.push({ text, line: node.line, message });
  const ofBits = new Set([...bits, ...bitColumns(tree)]);
  for (const node of everyNode(tree)) {
    if (node.kind === "FunctionCall") checkAggregate(node, ofBits, problem);
    if (node.kind === "QuerySpecification") checkGrouping(node, problem);
    if (["QueryDerivedTable", "CommonTableExpression"].includes(node.kind)) checkNested(node, problem);
  }
  return problems;
}

/** The names of bit columns that a text or a migration declares. */
export function bitColumns(tree: SyntaxNode): string[] {
  return [...everyNode(tree)]
    .filter((node) => word(child(node, "DataType"), "SqlDataTypeOption") === "Bit")
    .flatMap((node) => word(node, "ColumnIdentifier") ?? []);
}

type Report = (node: SyntaxNode, message: string) => void;

function aggregateOf(node: SyntaxNode): string | undefined {
  const name = node.kind === "FunctionCall" ? (word(node, "FunctionName") ?? "").toUpperCase() : "";
  return AGGREGATES.has(name) ? name : undefined;
}

function checkAggregate(node: SyntaxNode, bits: ReadonlySet<string>, problem: Report): void {
  const name = aggregateOf(node);
  if (name === undefined) return;
  const [first] = list(node, "Parameters");
  if (first === undefined) return;
  if (nodesOf(first, ...QUERIES).length > 0) problem(node, `${name} of a subquery (130)`);
  const column = qualified(first, "MultiPartIdentifier").at(-1);
  if (NOT_OF_BITS.has(name) && column !== undefined && bits.has(column))
    problem(node, `${name} of the bit ${column} (8117)`);
  if (name !== "STRING_AGG") return;
  // A text of bounded length makes one of at most 8,000 bytes.
  const max = nodesOf(first, "CastCall", "ConvertCall").some((cast) =>
    list(child(cast, "DataType"), "Parameters").some(({ kind }) => kind === "MaxLiteral"),
  );
  if (!max) problem(node, "STRING_AGG of a text that is not cast to (max): its result ends at 8,000 bytes (9829)");
}

/** Every column of a grouped query is grouped by, or aggregated (8120). A query gives rows, or sets variables (141). */
function checkGrouping(node: SyntaxNode, problem: Report): void {
  const selected = list(node, "SelectElements");
  const sets = selected.filter(({ kind }) => kind === "SelectSetVariable");
  if (sets.length > 0 && sets.length < selected.length)
    problem(node, "some columns are assigned, others returned (141)");
  const group = child(node, "GroupByClause");
  const shown = [...selected, child(node, "HavingClause"), child(node, "OrderByClause")].filter(
    (one) => one !== undefined,
  );
  if (group === undefined && !selected.some(hasAggregate)) return;
  const grouped = group === undefined ? [] : nodesOf(group, "ColumnReferenceExpression").map(pathOf);
  const aliases = new Set(selected.flatMap((one) => word(child(one, "ColumnName"), "Identifier") ?? []));
  for (const column of shown.flatMap(loose)) {
    const path = pathOf(column);
    const is = (other: readonly string[]) =>
      other.at(-1) === path.at(-1) && (other.length === 1 || path.length === 1 || other.at(-2) === path.at(-2));
    if (!grouped.some(is) && !aliases.has(path.join(".")))
      problem(column, `${path.join(".")} is not grouped by (8120)`);
  }
}

function pathOf(node: SyntaxNode): string[] {
  return qualified(node, "MultiPartIdentifier");
}

function hasAggregate(node: SyntaxNode): boolean {
  if (QUERIES.includes(node.kind)) return false;
  if (aggregateOf(node) !== undefined && child(node, "OverClause") === undefined) return true;
  return parts(node).some(hasAggregate);
}

/** Columns outside any aggregate or subquery. */
function loose(node: SyntaxNode): SyntaxNode[] {
  if (node.kind === "ColumnReferenceExpression") return word(node, "ColumnType") === "Regular" ? [node] : [];
  if (QUERIES.includes(node.kind)) return [];
  if (aggregateOf(node) !== undefined && child(node, "OverClause") === undefined) return [];
  return parts(node).flatMap(loose);
}

/** The columns of a query that stands for a table have names, each another (8155, 8156). */
function checkNested(node: SyntaxNode, problem: Report): void {
  const query = child(node, "QueryExpression");
  if (query === undefined) return;
  if (qualified(node, "Columns").length > 0) return;
  const names = namesOf(query);
  if (names.some((name) => name === undefined)) problem(query, "a column of an inner query has no name (8155)");
  const twice = names.find((name, place) => name !== undefined && names.indexOf(name) !== place);
  if (twice !== undefined) problem(query, `an inner query has two columns ${twice} (8156)`);
}

/** The names of what a query returns; undefined for a column without one. */
function namesOf(query: SyntaxNode): (string | undefined)[] {
  const first = child(query, "FirstQueryExpression") ?? child(query, "QueryExpression");
  if (first !== undefined) return namesOf(first);
  return list(query, "SelectElements")
    .filter(({ kind }) => kind === "SelectScalarExpression")
    .map((one) => word(child(one, "ColumnName"), "Identifier") ?? pathOf(child(one, "Expression") ?? one).at(-1));
}
