import { type Schema, type Table, type TextType, tableName, textTypeOf } from "./schema.ts";
import { type Columns, renamed, type Scope, sourcesOf, textTypeIn } from "./scopes.ts";
import { child, list, type Problem, parts, qualified, type SyntaxNode, word } from "./syntax-tree.ts";
import { JSON_COLUMNS, type Known, textProblem, textTypeOfExpression } from "./text-types.ts";

/** Names inside queries and expressions: which tables a FROM clause shows, and of which of them a column is. */

/** Functions whose first argument looks like a column and is a unit of time. */
const DATE_FUNCTIONS = new Set([
  "DATEADD",
  "DATEDIFF",
  "DATEDIFF_BIG",
  "DATEPART",
  "DATENAME",
  "DATETRUNC",
  "DATE_BUCKET",
]);

/** Follows names through the queries of one text, and notes those that are not there. */
export class QueryNames {
  readonly problems: Problem[] = [];
  /** The table variables declared so far. */
  readonly variables = new Map<string, Table>();
  /** The texts of the scalar variables that the batch declares. */
  readonly scalars = new Map<string, TextType | undefined>();
  /** Common table expressions of the statement at hand. */
  readonly expressions = new Map<string, Columns | undefined>();
  /** The columns of the queries that were read, for those who ask for their collation. */
  readonly #results = new Map<SyntaxNode, Columns | undefined>();
  readonly #text: string;
  readonly #schema: Schema;

  constructor(text: string, schema: Schema) {
    this.#text = text;
    this.#schema = schema;
  }

  problem(node: SyntaxNode, message: string): void {
    this.problems.push({ text: this.#text, line: node.line, message });
  }

  /** @returns the columns of its rows */
  query(node: SyntaxNode | undefined, outer: Scope | undefined): Columns | undefined {
    if (node === undefined) return undefined;
    if (node.kind === "QueryParenthesisExpression") return this.query(child(node, "QueryExpression"), outer);
    if (node.kind === "BinaryQueryExpression") {
      const columns = this.query(child(node, "FirstQueryExpression"), outer);
      const others = this.query(child(node, "SecondQueryExpression"), outer);
      this.#compareColumns(node, columns, others);
      this.#order(node, { sources: [], outer: undefined }, columns);
      return this.#remember(node, columns);
    }
    const scope: Scope = { sources: [], outer };
    const clause = child(node, "FromClause");
    for (const reference of list(clause, "TableReferences")) this.reference(reference, scope);
    const columns = this.#selected(node, scope);
    for (const part of parts(node)) {
      if (part.kind !== "FromClause" && part.kind !== "OrderByClause" && !part.kind.startsWith("Select")) {
        this.expression(part, scope);
      }
    }
    this.#order(node, scope, columns);
    return this.#remember(node, columns);
  }

  #remember(node: SyntaxNode, columns: Columns | undefined): Columns | undefined {
    this.#results.set(node, columns);
    return columns;
  }

  /** The two halves of a UNION: a column has one collation. */
  #compareColumns(node: SyntaxNode, first: Columns | undefined, second: Columns | undefined): void {
    const others = [...(second?.values() ?? [])];
    [...(first ?? [])].forEach(([column, type], position) => {
      const [one, other] = [type?.collation, others[position]?.collation];
      if (one !== undefined && other !== undefined && one !== other) {
        this.problem(node, `${column} is of collation ${one} or ${other}`);
      }
    });
  }

  #known(scope: Scope | undefined): Known {
    return {
      column: (node) => textTypeIn(scope, qualified(node, "MultiPartIdentifier")),
      variable: (node) => this.scalars.get(word(node, "Name") ?? ""),
      subquery: (node) =>
        this.#results
          .get(child(node, "QueryExpression") ?? node)
          ?.values()
          .next().value,
    };
  }

  #selected(node: SyntaxNode, scope: Scope): Columns | undefined {
    const columns = new Map<string, TextType | undefined>();
    let known = true;
    for (const element of list(node, "SelectElements")) {
      if (element.kind === "SelectStarExpression") {
        for (const source of scope.sources) {
          if (source.columns === undefined) known = false;
          else for (const [column, type] of source.columns) columns.set(column, type);
        }
        continue;
      }
      this.expression(element, scope);
      const named = word(child(element, "ColumnName"), "Identifier");
      const column = named ?? qualified(child(element, "Expression"), "MultiPartIdentifier").at(-1);
      const type = textTypeOfExpression(child(element, "Expression"), this.#known(scope));
      // One without a name keeps its place, for the names that the query's alias may give.
      columns.set(column ?? `(${columns.size})`, type);
    }
    return known ? columns : undefined;
  }

  /** ORDER BY sees the columns of the result, too. */
  #order(node: SyntaxNode, scope: Scope, columns: Columns | undefined): void {
    for (const element of list(child(node, "OrderByClause"), "OrderByElements")) {
      const path = qualified(child(element, "Expression"), "MultiPartIdentifier");
      if (path.length === 1 && columns?.has(path[0] ?? "")) continue;
      this.expression(element, scope);
    }
  }

  /** Adds what a table reference of a FROM clause shows to the scope. */
  reference(node: SyntaxNode, scope: Scope): void {
    const alias = word(node, "Alias");
    const add = (name: string, columns: Columns | undefined): void => {
      const named = qualified(node, "Columns");
      scope.sources.push({ alias: alias ?? name, columns: named.length > 0 ? renamed(columns, named) : columns });
    };
    switch (node.kind) {
      case "QualifiedJoin":
      case "UnqualifiedJoin": {
        for (const side of ["FirstTableReference", "SecondTableReference"]) {
          const reference = child(node, side);
          if (reference !== undefined) this.reference(reference, scope);
        }
        const condition = child(node, "SearchCondition");
        if (condition !== undefined) this.expression(condition, scope);
        return;
      }
      case "JoinParenthesisTableReference": {
        const join = child(node, "Join");
        if (join !== undefined) this.reference(join, scope);
        return;
      }
      case "NamedTableReference": {
        const name = qualified(node, "SchemaObject");
        add(name.at(-1) ?? "", this.named(node, name));
        return;
      }
      case "VariableTableReference":
        add(word(child(node, "Variable"), "Name") ?? "", this.columnsOf(node));
        return;
      case "QueryDerivedTable":
        add("", this.query(child(node, "QueryExpression"), scope));
        return;
      case "InlineDerivedTable":
        for (const row of list(node, "RowValues")) this.expression(row, scope);
        add("", this.#inline(node, scope));
        return;
      case "OpenJsonTableReference": {
        const variable = child(node, "Variable");
        if (variable !== undefined) this.expression(variable, scope);
        const items = list(node, "SchemaDeclarationItems");
        const columns = items.map((item) => child(item, "ColumnDefinition"));
        const named = columns.map((one) => [word(one, "ColumnIdentifier") ?? "", textTypeOf(one)] as const);
        add("", items.length > 0 ? new Map(named) : JSON_COLUMNS);
        return;
      }
      default:
        for (const part of parts(node)) this.expression(part, scope);
        add("", undefined);
        return;
    }
  }

  /** The rows of VALUES: a column holds the texts of whichever row has some. */
  #inline(node: SyntaxNode, scope: Scope): Columns {
    const rows = list(node, "RowValues").map((row) => list(row, "ColumnValues"));
    const known = this.#known(scope);
    const columns = (rows[0] ?? []).map((_, place) =>
      rows.map((row) => textTypeOfExpression(row[place], known)).find((type) => type !== undefined),
    );
    return new Map(columns.map((type, place) => [`(${place})`, type]));
  }

  columnsOf(target: SyntaxNode | undefined): Columns | undefined {
    if (target === undefined) return undefined;
    if (target.kind !== "VariableTableReference") return this.named(target, qualified(target, "SchemaObject"));
    const name = word(child(target, "Variable"), "Name") ?? "";
    const table = this.variables.get(name);
    if (table === undefined) this.problem(target, `there is no table variable ${name} here`);
    return table?.columns;
  }

  named(node: SyntaxNode, name: readonly string[]): Columns | undefined {
    const [schema, table = ""] = name.length > 1 ? name.slice(-2) : ["", ...name];
    if (schema === "sys" || schema === "INFORMATION_SCHEMA") return undefined;
    if (schema === "" && this.expressions.has(table)) return this.expressions.get(table);
    const found = this.#schema.get(tableName(name));
    if (schema === "") this.problem(node, `${name.join(".")} does not name its schema`);
    else if (found === undefined) this.problem(node, `there is no table ${name.join(".")}`);
    return found?.columns;
  }

  expression(node: SyntaxNode, scope: Scope | undefined): void {
    if (node.kind === "ColumnReferenceExpression") this.column(node, scope);
    else if (node.kind === "QuerySpecification" || node.kind === "BinaryQueryExpression") this.query(node, scope);
    else this.#parts(node, scope);
  }

  #parts(node: SyntaxNode, scope: Scope | undefined): void {
    const skipsFirst =
      node.kind === "FunctionCall" && DATE_FUNCTIONS.has((word(node, "FunctionName") ?? "").toUpperCase());
    const skipped = skipsFirst ? list(node, "Parameters")[0] : undefined;
    for (const part of parts(node)) if (part !== skipped) this.expression(part, scope);
    const problem = textProblem(node, this.#known(scope));
    if (problem !== undefined) this.problem(node, problem);
  }

  column(node: SyntaxNode, scope: Scope | undefined): void {
    if (word(node, "ColumnType") !== "Regular") return;
    const path = qualified(node, "MultiPartIdentifier");
    for (let at = scope; at !== undefined; at = at.outer) {
      const sources = sourcesOf(at, path);
      const having = sources.filter(({ columns }) => columns === undefined || columns.has(path.at(-1) ?? ""));
      if (having.length > 1 && having.every(({ columns }) => columns !== undefined)) {
        this.problem(node, `${path.join(".")} may be of ${having.map(({ alias }) => alias).join(" or ")}`);
      }
      if (having.length > 0) return;
      if (path.length > 1 && sources.length > 0) break;
    }
    this.problem(node, `there is no column ${path.join(".")}`);
  }
}
