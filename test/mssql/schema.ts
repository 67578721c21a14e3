import { child, list, nodesOf, qualified, type SyntaxNode, word } from "./syntax-tree.ts";

/** The tables that the migrations make, as the checks need to know them. */

/** Of a column's texts; "database default" where none is named, undefined when it holds no texts. */
export type Collation = string | undefined;

export interface Table {
  name: string;
  columns: Map<string, Collation>;
  /** Primary key, unique constraints and unique indexes, each as its columns in order. */
  keys: string[][];
}

/** Tables by their name without the schema, which is dbo. */
export type Schema = ReadonlyMap<string, Table>;

/** Reads the migrations in their order. */
export function schemaOf(migrations: readonly SyntaxNode[]): Schema {
  const schema = new Map<string, Table>();
  for (const migration of migrations) {
    const kinds = ["CreateTableStatement", "AlterTableAddTableElementStatement", "CreateIndexStatement"];
    for (const statement of nodesOf(migration, ...kinds)) {
      if (statement.kind === "CreateIndexStatement") addIndex(schema, statement);
      else {
        const name = qualified(statement, "SchemaObjectName").at(-1) ?? "";
        const table = schema.get(name) ?? { name, columns: new Map(), keys: [] };
        schema.set(name, table);
        addDefinition(table, child(statement, "Definition"));
      }
    }
  }
  return schema;
}

/** The table of a definition, for a table variable. */
export function tableOf(name: string, definition: SyntaxNode | undefined): Table {
  const table = { name, columns: new Map<string, Collation>(), keys: [] };
  addDefinition(table, definition);
  return table;
}

function addDefinition(table: Table, definition: SyntaxNode | undefined): void {
  for (const column of list(definition, "ColumnDefinitions")) {
    const name = word(column, "ColumnIdentifier") ?? "";
    table.columns.set(name, collationOfColumn(column));
    if (list(column, "Constraints").some(({ kind }) => kind === "UniqueConstraintDefinition")) table.keys.push([name]);
  }
  for (const constraint of list(definition, "TableConstraints")) {
    if (constraint.kind === "UniqueConstraintDefinition") table.keys.push(columnsOf(constraint));
  }
}

const TEXTS = new Set(["Char", "VarChar", "NChar", "NVarChar"]);
export const DATABASE_DEFAULT = "database default";

/** Of a column definition: of a table, a table variable, or the WITH clause of OPENJSON. */
export function collationOfColumn(column: SyntaxNode | undefined): Collation {
  const type = word(child(column, "DataType"), "SqlDataTypeOption") ?? "";
  return TEXTS.has(type) ? (word(column, "Collation") ?? DATABASE_DEFAULT) : undefined;
}

function addIndex(schema: ReadonlyMap<string, Table>, index: SyntaxNode): void {
  if (index.Unique !== true) return;
  schema.get(qualified(index, "OnName").at(-1) ?? "")?.keys.push(columnsOf(index));
}

function columnsOf(node: SyntaxNode): string[] {
  return list(node, "Columns").map((column) => qualified(child(column, "Column"), "MultiPartIdentifier").at(-1) ?? "");
}
