import { type Schema, tableName } from "./schema.ts";
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

/** The static rules about locks: their order, the hints, and that a change finds its rows by a key. */

/** READPAST passes over locked rows: right for a queue, wrong for rows that one must have. */
const MAY_READ_PAST = new Set(["messages", "tasks"]);
/** They read what was never committed, or lock whole ranges. */
const FORBIDDEN_HINTS = ["NoLock", "ReadUncommitted", "TabLock", "TabLockX", "Paglock"];

/** READPAST stands only with READCOMMITTEDLOCK (it is refused under READ_COMMITTED_SNAPSHOT without), and only where it may. */
export function hintProblems(text: string, tree: SyntaxNode): Problem[] {
  const problems: Problem[] = [];
  for (const node of nodesOf(tree, "NamedTableReference")) {
    const hints = list(node, "TableHints").map((hint) => word(hint, "HintKind") ?? "");
    const table = tableName(qualified(node, "SchemaObject"));
    const problem = (message: string) => problems.push({ text, line: node.line, message: `${table}: ${message}` });
    if (hints.includes("ReadPast")) {
      if (!hints.includes("ReadCommittedLock")) problem("READPAST without READCOMMITTEDLOCK");
      if (!MAY_READ_PAST.has(table)) problem("READPAST would pass over a locked row that must be seen");
    }
    for (const hint of hints) if (FORBIDDEN_HINTS.includes(hint)) problem(`the hint ${hint}`);
  }
  return problems;
}

/** A statement that takes locks on rows of a table until the end of the transaction. */
interface Write {
  table: string;
  node: SyntaxNode;
  /** A new row: nobody can hold it. */
  inserts: boolean;
}

/** The tables that a statement locks for writing; a claim by its hints, too. */
function writesOf(statement: SyntaxNode): Write[] {
  const writes: Write[] = [];
  for (const node of everyNode(statement)) {
    const hints = list(node, "TableHints").map((hint) => word(hint, "HintKind"));
    if (hints.some((hint) => hint === "UpdLock" || hint === "XLock" || hint === "HoldLock")) {
      writes.push({ table: tableName(qualified(node, "SchemaObject")), node, inserts: false });
    }
  }
  const change = changeOf(statement);
  if (change?.table !== undefined) {
    writes.push({ table: change.table, node: statement, inserts: statement.kind === "InsertStatement" });
  }
  return writes;
}

interface Change {
  specification: SyntaxNode;
  /** Of the database; undefined for a table variable. */
  table: string | undefined;
  /** What its columns are qualified with. */
  alias: string;
}

/** The table that an INSERT, UPDATE or DELETE changes. */
function changeOf(statement: SyntaxNode): Change | undefined {
  const specification =
    child(statement, "InsertSpecification") ??
    child(statement, "UpdateSpecification") ??
    child(statement, "DeleteSpecification");
  const target = child(specification, "Target");
  if (specification === undefined || target === undefined) return undefined;
  if (target.kind === "VariableTableReference") return { specification, table: undefined, alias: "" };
  const name = qualified(target, "SchemaObject");
  const alias = name.at(-1) ?? "";
  const from = child(specification, "FromClause");
  const references = from === undefined ? [] : nodesOf(from, "NamedTableReference", "VariableTableReference");
  const aliased = references.find((node) => word(node, "Alias") === alias && name.length === 1);
  if (aliased === undefined) return { specification, table: tableName(name), alias };
  const table = aliased.kind === "NamedTableReference" ? tableName(qualified(aliased, "SchemaObject")) : undefined;
  return { specification, table, alias };
}

/** Where a transaction stands while its statements are read in order. */
interface Position {
  open: boolean;
  /** The furthest group that it has reached. */
  rank: number;
}

/** A write out of the lock order. */
export interface OrderProblem extends Problem {
  table: string;
}

/**
 * Writes of a transaction to a table that stands, in the lock order, before one that it has written already. A loop is read
 * twice, for its end comes before its beginning, too (but an insert makes rows that nobody else can hold).
 *
 * @param appended tables to which rows are only ever added, anywhere in a transaction
 */
export function orderProblems(
  text: string,
  tree: SyntaxNode,
  order: readonly (readonly string[])[],
  appended: readonly string[] = [],
): OrderProblem[] {
  const problems: OrderProblem[] = [];
  const rankOf = new Map(order.flatMap((group, rank) => group.map((table) => [table, rank] as const)));
  const visit = ({ table, node, inserts }: Write, at: Position, repeated: boolean): Position => {
    if (!at.open || (repeated && inserts)) return at;
    if (inserts && appended.includes(table)) return at;
    const rank = rankOf.get(table);
    const problem = (message: string) => problems.push({ text, table, line: node.line, message });
    if (rank === undefined) {
      problem(`${table} has no place in the lock order`);
      return at;
    }
    if (rank < at.rank) problem(`${table} is written after ${order[at.rank]?.join(", ")}`);
    return { open: true, rank: Math.max(rank, at.rank) };
  };
  const walk = (statement: SyntaxNode, at: Position, repeated: boolean): Position => {
    if (statement.kind === "BeginTransactionStatement") return { open: true, rank: -1 };
    if (statement.kind === "CommitTransactionStatement" || statement.kind === "RollbackTransactionStatement") {
      return { ...at, open: false };
    }
    if (statement.kind === "IfStatement") {
      const branches = [child(statement, "ThenStatement"), child(statement, "ElseStatement")].map((branch) =>
        branch === undefined ? at : walk(branch, at, repeated),
      );
      return branches.reduce(later);
    }
    if (statement.kind === "WhileStatement") {
      const body = child(statement, "Statement");
      return body === undefined ? at : walk(body, walk(body, at, repeated), true);
    }
    const inner = parts(statement).flatMap((part) => (part.kind === "StatementList" ? list(part, "Statements") : []));
    if (inner.length > 0) return inner.reduce((position, one) => walk(one, position, repeated), at);
    return writesOf(statement).reduce((position, write) => visit(write, position, repeated), at);
  };
  for (const batch of list(tree, "Batches")) {
    list(batch, "Statements").reduce((at, statement) => walk(statement, at, false), { open: false, rank: -1 });
  }
  return problems;
}

/** After an IF: whichever branch got further. */
function later(a: Position, b: Position): Position {
  return { open: a.open || b.open, rank: Math.max(a.rank, b.rank) };
}

/**
 * Every UPDATE and DELETE of a table finds its rows by all columns of a key, or by the first ones of the primary key (the
 * rows that belong to one other), or changes at most TOP (n). Anything else may lock, and wait for, rows that it does not mean.
 */
export function keyProblems(text: string, tree: SyntaxNode, schema: Schema): Problem[] {
  const problems: Problem[] = [];
  for (const statement of nodesOf(tree, "UpdateStatement", "DeleteStatement")) {
    const change = changeOf(statement);
    if (change?.table === undefined || child(change.specification, "TopRowFilter") !== undefined) continue;
    const bound = boundColumns(change);
    const [primary = [], ...others] = schema.get(change.table)?.keys ?? [];
    const whole = [primary, ...others].some((key) => key.length > 0 && key.every((column) => bound.has(column)));
    if (!whole && !bound.has(primary[0] ?? "")) {
      const message = `${statement.kind} of ${change.table} by ${[...bound].join(", ") || "nothing"}, which is no key`;
      problems.push({ text, line: statement.line, message });
    }
  }
  return problems;
}

/** Columns of the changed table that the statement compares, always, with something that is not of the same row. */
function boundColumns(change: Change): Set<string> {
  const from = child(change.specification, "FromClause");
  const conditions = [child(change.specification, "WhereClause", "SearchCondition"), ...innerConditions(from)];
  const bound = new Set<string>();
  const owns = (node: SyntaxNode | undefined): string | undefined => {
    if (node?.kind !== "ColumnReferenceExpression") return undefined;
    const path = qualified(node, "MultiPartIdentifier");
    // Without a FROM clause there is only the changed table.
    const own = path.length > 1 ? path.at(-2) === change.alias : from === undefined;
    return own ? path.at(-1) : undefined;
  };
  for (const condition of conditions.flatMap(conjuncts)) {
    if (condition.kind === "InPredicate" && condition.NotDefined !== true) {
      bound.add(owns(child(condition, "Expression")) ?? "");
    }
    if (condition.kind !== "BooleanComparisonExpression" || word(condition, "ComparisonType") !== "Equals") continue;
    const [first, second] = [child(condition, "FirstExpression"), child(condition, "SecondExpression")];
    if (second !== undefined && ![...everyNode(second)].some(owns)) bound.add(owns(first) ?? "");
    if (first !== undefined && ![...everyNode(first)].some(owns)) bound.add(owns(second) ?? "");
  }
  bound.delete("");
  return bound;
}

/** The conditions of inner joins, wherever they stand in a FROM clause. */
function innerConditions(from: SyntaxNode | undefined): SyntaxNode[] {
  return list(from, "TableReferences").flatMap(function inner(reference: SyntaxNode): SyntaxNode[] {
    if (!reference.kind.endsWith("Join")) return [];
    const sides = [child(reference, "FirstTableReference"), child(reference, "SecondTableReference")];
    const condition = child(reference, "SearchCondition");
    const own = condition !== undefined && word(reference, "QualifiedJoinType") === "Inner" ? [condition] : [];
    return [...own, ...sides.flatMap((side) => (side === undefined ? [] : inner(side)))];
  });
}

/** What holds whenever the condition does. */
function conjuncts(condition: SyntaxNode | undefined): SyntaxNode[] {
  if (condition === undefined) return [];
  if (condition.kind === "BooleanParenthesisExpression") return conjuncts(child(condition, "Expression"));
  if (condition.kind === "BooleanBinaryExpression" && word(condition, "BinaryExpressionType") === "And") {
    return [...conjuncts(child(condition, "FirstExpression")), ...conjuncts(child(condition, "SecondExpression"))];
  }
  return [condition];
}
