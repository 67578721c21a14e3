import { child, list, nodesOf, qualified, type SyntaxNode, word } from "./syntax-tree.ts";

/** The tables that the migrations make, as the checks need to know them. */

/** What kind of texts a column or an expression holds. */
export interface TextType {
  /** "database default" where none is named; undefined for what takes that of its neighbours, as literals do. */
  collation: string | undefined;
  /** nvarchar, not varchar. */
  national: boolean;
}

export interface Table {
  name: string;
  /** With the kind of its texts; undefined when it holds none. */
  columns: Map<string, TextType | undefined>;
  /** Primary key, unique constraints and unique indexes, each as its columns in order. */
  keys: string[][];
}

/** Tables by their name; those of another schema than dbo with that before it. */
export type Schema = ReadonlyMap<string, Table>;

/** The name of a table in a Schema. @param path its qualified name, as it was written */
export function tableName(path: readonly string[]): string {
  const [schema = "dbo", table] = [path.at(-2), path.at(-1) ?? ""];
  return schema === "dbo" ? table : `${schema}.${table}`;
}

/** Reads the migrations in their order. */
export function schemaOf(migrations: readonly SyntaxNode[]): Schema {
  const schema = new Map<string, Table>();
  for (const migration of migrations) {
    const kinds = ["CreateTableStatement", "AlterTableAddTableElementStatement", "CreateIndexStatement"];
    for (const statement of nodesOf(migration, ...kinds)) {
      if (statement.kind === "CreateIndexStatement") addIndex(schema, statement);
      else {
        const name = tableName(qualified(statement, "SchemaObjectName"));
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
  const table = { name, columns: new Map<string, TextType | undefined>(), keys: [] };
  addDefinition(table, definition);
  return table;
}

function addDefinition(table: Table, definition: SyntaxNode | undefined): void {
  for (const column of list(definition, "ColumnDefinitions")) {
    const name = word(column, "ColumnIdentifier") ?? "";
    table.columns.set(name, textTypeOf(column));
    if (list(column, "Constraints").some(({ kind }) => kind === "UniqueConstraintDefinition")) table.keys.push([name]);
  }
  for (const constraint of list(definition, "TableConstraints")) {
    if (constraint.kind === "UniqueConstraintDefinition") table.keys.push(columnsOf(constraint));
  }
}

const TEXTS = new Set(["Char", "VarChar", "NChar", "NVarChar"]);
export const DATABASE_DEFAULT = "database default";

/** Of the definition of a column or a variable: of a table, a table variable, or the WITH clause of OPENJSON. */
export function textTypeOf(definition: SyntaxNode | undefined): TextType | undefined {
  const type = word(child(definition, "DataType"), "SqlDataTypeOption") ?? "";
  if (!TEXTS.has(type)) return undefined;
  return { collation: word(definition, "Collation") ?? DATABASE_DEFAULT, national: type.startsWith("N") };
}

function addIndex(schema: ReadonlyMap<string, Table>, index: SyntaxNode): void {
  if (index.Unique !== true) return;
  schema.get(tableName(qualified(index, "OnName")))?.keys.push(columnsOf(index));
}

function columnsOf(node: SyntaxNode): string[] {
  return list(node, "Columns").map((column) => qualified(child(column, "Column"), "MultiPartIdentifier").at(-1) ?? "");
}
