import { tableName } from "./schema.ts";
import { child, list, nodesOf, qualified, type SyntaxNode, word } from "./syntax-tree.ts";

/**
 * Whether some text asks for rows in a way that an index can serve: it compares the index's first column, and every column of
 * the index's condition, of one and the same table reference. Which plan a server then takes only that server can say
 * (npm run query-plans); an index that fails here can serve nothing.
 */

/** An index that is not the table's own key. */
export interface DeclaredIndex {
  name: string;
  table: string;
  /** Its first column. */
  leading: string;
  /** The columns of its condition; empty for an index of the whole table. */
  condition: readonly string[];
}

const COMPARISONS = [
  "BooleanComparisonExpression",
  "InPredicate",
  "BooleanIsNullExpression",
  "BooleanTernaryExpression",
];

/** The indexes that the migrations leave behind, in the order of their making. */
export function declaredIndexes(migrations: readonly SyntaxNode[]): DeclaredIndex[] {
  const indexes = new Map<string, DeclaredIndex>();
  for (const migration of migrations) {
    for (const statement of nodesOf(migration, "CreateIndexStatement", "DropIndexStatement")) {
      if (statement.kind === "DropIndexStatement") {
        for (const clause of list(statement, "DropIndexClauses")) indexes.delete(word(clause, "Index") ?? "");
        continue;
      }
      const name = word(statement, "Name") ?? "";
      const [first] = list(statement, "Columns");
      const condition = child(statement, "FilterPredicate");
      indexes.set(name, {
        name,
        table: tableName(qualified(statement, "OnName")),
        leading: qualified(child(first, "Column"), "MultiPartIdentifier").at(-1) ?? "",
        condition: condition === undefined ? [] : [...new Set(comparedColumns(condition).map(({ column }) => column))],
      });
    }
  }
  return [...indexes.values()];
}

interface Compared {
  /** As it was written; undefined for a bare column. */
  alias: string | undefined;
  column: string;
}

function comparedColumns(tree: SyntaxNode): Compared[] {
  return nodesOf(tree, ...COMPARISONS)
    .flatMap((comparison) => nodesOf(comparison, "ColumnReferenceExpression"))
    .map((reference) => {
      const path = qualified(reference, "MultiPartIdentifier");
      return { alias: path.at(-2), column: path.at(-1) ?? "" };
    });
}

/** The indexes that no text can use. */
export function unusableIndexes(indexes: readonly DeclaredIndex[], texts: readonly SyntaxNode[]): string[] {
  const asked = new Map<string, Set<string>[]>();
  for (const text of texts) {
    const compared = comparedColumns(text);
    for (const reference of nodesOf(text, "NamedTableReference")) {
      const path = qualified(reference, "SchemaObject");
      const alias = word(reference, "Alias") ?? path.at(-1);
      const columns = compared
        .filter((one) => one.alias === undefined || one.alias === alias)
        .map(({ column }) => column);
      const table = tableName(path);
      asked.set(table, [...(asked.get(table) ?? []), new Set(columns)]);
    }
  }
  return indexes
    .filter(({ table, leading, condition }) => {
      const wanted = [leading, ...condition];
      return !(asked.get(table) ?? []).some((columns) => wanted.every((column) => columns.has(column)));
    })
    .map(({ name }) => name);
}
