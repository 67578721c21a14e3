import { QueryNames } from "./query-names.ts";
import { type Schema, tableName, tableOf, textTypeOf } from "./schema.ts";
import { type Columns, renamed, type Scope } from "./scopes.ts";
import { child, list, nodesOf, type Problem, parts, qualified, type SyntaxNode, word } from "./syntax-tree.ts";

/** Whether every table, column and variable that a text names is there: what the server would say on the first run. */

/** What a text names that is not there. */
export function unknownNames(text: string, tree: SyntaxNode, schema: Schema): Problem[] {
  const names = new Names(text, schema);
  for (const batch of list(tree, "Batches")) names.checkBatch(batch);
  return names.problems;
}

/** Variables that a text uses and does not declare, without @: the inputs that its caller must give. */
export function inputsOf(tree: SyntaxNode): Set<string> {
  const declarations = nodesOf(tree, "DeclareVariableElement", "DeclareTableVariableBody");
  const declared = new Set(declarations.map((node) => word(node, "VariableName")));
  const used = scalarsOf(tree).map((node) => word(node, "Name") ?? "");
  return new Set(used.filter((name) => !declared.has(name)).map((name) => name.slice(1)));
}

/** Scalar variables where they are read or set, in the order of the text. */
function scalarsOf(tree: SyntaxNode): SyntaxNode[] {
  // Table variables, and the names of a procedure's parameters.
  const others = new Set(
    nodesOf(tree, "VariableTableReference", "ExecuteParameter").map((node) => child(node, "Variable")),
  );
  return nodesOf(tree, "VariableReference").filter((node) => !others.has(node));
}

class Names {
  readonly #names: QueryNames;
  readonly #schema: Schema;

  constructor(text: string, schema: Schema) {
    this.#names = new QueryNames(text, schema);
    this.#schema = schema;
  }

  get problems(): Problem[] {
    return this.#names.problems;
  }

  checkBatch(batch: SyntaxNode): void {
    this.#names.variables.clear();
    this.#names.scalars.clear();
    this.#checkDeclarations(batch);
    for (const statement of list(batch, "Statements")) this.#statement(statement);
  }

  /** A variable is declared once, and before it is used. */
  #checkDeclarations(batch: SyntaxNode): void {
    const declared = new Map<string, SyntaxNode>();
    for (const node of nodesOf(batch, "DeclareVariableElement", "DeclareTableVariableBody")) {
      const name = word(node, "VariableName") ?? "";
      if (node.kind === "DeclareVariableElement") this.#names.scalars.set(name, textTypeOf(node));
      if (declared.has(name)) this.#names.problem(node, `${name} is declared twice`);
      else declared.set(name, node);
    }
    for (const use of scalarsOf(batch)) {
      const name = word(use, "Name") ?? "";
      const declaration = declared.get(name);
      if (declaration !== undefined && before(use, declaration))
        this.#names.problem(use, `${name} is used before it is declared`);
    }
  }

  #statement(node: SyntaxNode): void {
    this.#names.expressions.clear();
    for (const expression of list(child(node, "WithCtesAndXmlNamespaces"), "CommonTableExpressions")) {
      const columns = this.#names.query(child(expression, "QueryExpression"), undefined);
      const named = qualified(expression, "Columns");
      this.#names.expressions.set(
        word(expression, "ExpressionName") ?? "",
        named.length > 0 ? renamed(columns, named) : columns,
      );
    }
    switch (node.kind) {
      case "DeclareTableVariableStatement": {
        const body = child(node, "Body");
        const name = word(body, "VariableName") ?? "";
        this.#names.variables.set(name, tableOf(name, child(body, "Definition")));
        return;
      }
      case "SelectStatement":
        this.#names.query(child(node, "QueryExpression"), undefined);
        return;
      case "InsertStatement":
        this.#insert(child(node, "InsertSpecification"));
        return;
      case "UpdateStatement":
        this.#change(child(node, "UpdateSpecification"));
        return;
      case "DeleteStatement":
        this.#change(child(node, "DeleteSpecification"));
        return;
      case "CreateTableStatement":
      case "AlterTableAddTableElementStatement":
        this.#definition(node);
        return;
      case "CreateIndexStatement":
        this.#index(node);
        return;
      default:
        for (const part of parts(node)) {
          if (part.kind === "StatementList") for (const inner of list(part, "Statements")) this.#statement(inner);
          else if (part.kind.endsWith("Statement")) this.#statement(part);
          else this.#names.expression(part, undefined);
        }
    }
  }

  #definition(node: SyntaxNode): void {
    const table = this.#schema.get(tableName(qualified(node, "SchemaObjectName")));
    const scope = { sources: [{ alias: table?.name ?? "", columns: table?.columns }], outer: undefined };
    const definition = child(node, "Definition");
    if (definition === undefined) return;
    this.#names.expression(definition, scope);
    for (const foreign of nodesOf(definition, "ForeignKeyConstraintDefinition")) {
      const referenced = this.#names.named(foreign, qualified(foreign, "ReferenceTableName"));
      for (const column of qualified(foreign, "ReferencedTableColumns")) {
        if (referenced !== undefined && !referenced.has(column))
          this.#names.problem(foreign, `there is no column ${column}`);
      }
    }
  }

  #index(node: SyntaxNode): void {
    const name = qualified(node, "OnName");
    const scope = { sources: [{ alias: name.at(-1) ?? "", columns: this.#names.named(node, name) }], outer: undefined };
    for (const part of parts(node)) this.#names.expression(part, scope);
  }

  #insert(node: SyntaxNode | undefined): void {
    if (node === undefined) return;
    const columns = this.#names.columnsOf(child(node, "Target"));
    const target: Scope = { sources: [{ alias: "", columns }], outer: undefined };
    for (const column of list(node, "Columns")) this.#names.column(column, target);
    const source = child(node, "InsertSource");
    if (source !== undefined) {
      if (source.kind === "SelectInsertSource") this.#names.query(child(source, "Select"), undefined);
      else this.#names.expression(source, undefined);
    }
    this.#output(node, columns, undefined);
  }

  /** UPDATE and DELETE. */
  #change(node: SyntaxNode | undefined): void {
    if (node === undefined) return;
    const target = child(node, "Target");
    const from = child(node, "FromClause");
    const scope: Scope = { sources: [], outer: undefined };
    if (from !== undefined)
      for (const reference of list(from, "TableReferences")) this.#names.reference(reference, scope);
    const alias = qualified(target, "SchemaObject").join(".");
    const aliased = scope.sources.find((source) => source.alias === alias);
    const columns = aliased === undefined ? this.#names.columnsOf(target) : aliased.columns;
    if (from === undefined) scope.sources.push({ alias: alias.split(".").at(-1) ?? "", columns });
    const ofTarget: Scope = { sources: [{ alias, columns }], outer: undefined };
    for (const set of list(node, "SetClauses")) {
      const column = child(set, "Column");
      if (column !== undefined) this.#names.column(column, ofTarget);
      const value = child(set, "NewValue");
      if (value !== undefined) this.#names.expression(value, scope);
    }
    for (const part of ["WhereClause", "TopRowFilter"]) {
      const clause = child(node, part);
      if (clause !== undefined) this.#names.expression(clause, scope);
    }
    this.#output(node, columns, scope);
  }

  #output(node: SyntaxNode, columns: Columns | undefined, outer: Scope | undefined): void {
    const scope: Scope = { sources: ["inserted", "deleted"].map((alias) => ({ alias, columns })), outer };
    for (const clause of [child(node, "OutputClause"), child(node, "OutputIntoClause")]) {
      for (const selected of list(clause, "SelectColumns")) this.#names.expression(selected, scope);
      const into = this.#names.columnsOf(child(clause, "IntoTable"));
      for (const column of list(clause, "IntoTableColumns")) {
        this.#names.column(column, { sources: [{ alias: "", columns: into }], outer: undefined });
      }
    }
  }
}

function before(a: SyntaxNode, b: SyntaxNode): boolean {
  return a.line < b.line || (a.line === b.line && a.column < b.column);
}
