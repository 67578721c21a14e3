import { DATABASE_DEFAULT } from "./schema.ts";
import { child, list, type SyntaxNode, word } from "./syntax-tree.ts";

/**
 * Whose collation a text has. SQL Server refuses to compare or join texts of two columns whose collations differ (468), and
 * some servers that speak its protocol do not: a column of ours, compared byte for byte, and one of OPENJSON or of a table
 * variable that names none, which have that of the database.
 */

export interface Collated {
  name: string;
  /** By COLLATE, which wins over that of a column. */
  explicit: boolean;
}

/** What the collation of an expression depends on: that of a column; that of a subquery's first column. */
export interface Known {
  column(node: SyntaxNode): string | undefined;
  subquery(node: SyntaxNode): string | undefined;
}

/** Functions whose text has the collation of their arguments. */
const TEXT_FUNCTIONS = new Set([
  "CONCAT",
  "CONCAT_WS",
  "ISNULL",
  "JSON_QUERY",
  "JSON_VALUE",
  "LOWER",
  "LTRIM",
  "MAX",
  "MIN",
  "REPLACE",
  "RTRIM",
  "STRING_AGG",
  "STRING_ESCAPE",
  "SUBSTRING",
  "TRIM",
  "UPPER",
]);

/** The collation of an expression; undefined when any will do (literals, variables), or when it is no text. */
export function collationOf(node: SyntaxNode | undefined, known: Known): Collated | undefined {
  if (node === undefined) return undefined;
  const explicit = word(node, "Collation");
  if (explicit !== undefined) return { name: explicit, explicit: true };
  if (node.kind === "ColumnReferenceExpression") return implicit(known.column(node));
  if (node.kind === "ScalarSubquery") return implicit(known.subquery(node));
  const combined = combinedParts(node);
  return combined === undefined ? undefined : combine(combined, known)[0];
}

/** Two collations that an expression or predicate has to choose from and cannot. */
export function collationConflict(node: SyntaxNode, known: Known): readonly [string, string] | undefined {
  const compared = comparedParts(node) ?? combinedParts(node);
  if (compared === undefined) return undefined;
  const [first, second] = combine(compared, known);
  return first === undefined || second === undefined ? undefined : [first.name, second.name];
}

function implicit(name: string | undefined): Collated | undefined {
  return name === undefined ? undefined : { name, explicit: false };
}

/** What remains of the collations of some expressions: one, unless they are in conflict. */
function combine(nodes: readonly (SyntaxNode | undefined)[], known: Known): Collated[] {
  const found = nodes.flatMap((node) => collationOf(node, known) ?? []);
  const explicit = found.filter((one) => one.explicit);
  const strongest = explicit.length > 0 ? explicit : found;
  return strongest.filter((one, place) => strongest.findIndex(({ name }) => name === one.name) === place);
}

/** The texts that a predicate compares. */
function comparedParts(node: SyntaxNode): readonly (SyntaxNode | undefined)[] | undefined {
  switch (node.kind) {
    case "BooleanComparisonExpression":
    case "LikePredicate":
      return [child(node, "FirstExpression"), child(node, "SecondExpression")];
    case "BooleanTernaryExpression":
      return [child(node, "FirstExpression"), child(node, "SecondExpression"), child(node, "ThirdExpression")];
    case "InPredicate":
      return [child(node, "Expression"), child(node, "Subquery"), ...list(node, "Values")];
    default:
      return undefined;
  }
}

/** The texts that an expression is made of. */
function combinedParts(node: SyntaxNode): readonly (SyntaxNode | undefined)[] | undefined {
  switch (node.kind) {
    case "ParenthesisExpression":
      return [child(node, "Expression")];
    case "BinaryExpression":
      return [child(node, "FirstExpression"), child(node, "SecondExpression")];
    case "CoalesceExpression":
      return list(node, "Expressions");
    case "NullIfExpression":
      return [child(node, "FirstExpression"), child(node, "SecondExpression")];
    case "IIfCall":
      return [child(node, "ThenExpression"), child(node, "ElseExpression")];
    case "SearchedCaseExpression":
    case "SimpleCaseExpression":
      return [...list(node, "WhenClauses").map((when) => child(when, "ThenExpression")), child(node, "ElseExpression")];
    case "CastCall":
    case "ConvertCall":
    case "LeftFunctionCall":
    case "RightFunctionCall":
      return [child(node, "Parameter"), ...list(node, "Parameters")];
    case "FunctionCall":
      return TEXT_FUNCTIONS.has((word(node, "FunctionName") ?? "").toUpperCase())
        ? list(node, "Parameters")
        : undefined;
    default:
      return undefined;
  }
}

/** Columns of OPENJSON without WITH. */
export const JSON_COLUMNS: ReadonlyMap<string, string | undefined> = new Map([
  ["key", "Latin1_General_BIN2"],
  ["value", DATABASE_DEFAULT],
  ["type", undefined],
]);
