import { DATABASE_DEFAULT, type TextType } from "./schema.ts";
import { child, list, type SyntaxNode, word } from "./syntax-tree.ts";

/**
 * Which texts meet. SQL Server refuses to compare or join texts of two columns whose collations differ (468), and some servers
 * that speak its protocol do not: a column of ours, compared byte for byte, and one of OPENJSON or of a table variable that
 * names none, which have that of the database. And a varchar column that is compared with an nvarchar is converted row by
 * row, which costs the seek.
 */

interface Met extends TextType {
  /** By COLLATE, which wins over that of a column. */
  explicit: boolean;
}

/** What the type of an expression depends on. */
export interface Known {
  column(node: SyntaxNode): TextType | undefined;
  variable(node: SyntaxNode): TextType | undefined;
  /** Of a subquery's first column. */
  subquery(node: SyntaxNode): TextType | undefined;
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

/** Functions whose text is nvarchar whatever they are given. */
const NATIONAL_FUNCTIONS = new Set(["JSON_QUERY", "JSON_VALUE", "NCHAR", "STRING_ESCAPE"]);

/** The texts of an expression; undefined when it has none, or when they cannot be known (inputs). */
export function textTypeOfExpression(node: SyntaxNode | undefined, known: Known): TextType | undefined {
  const [first] = node === undefined ? [] : met(node, known);
  return first && { collation: first.collation, national: first.national };
}

/** What is wrong about the texts that meet in a predicate or an expression. */
export function textProblem(node: SyntaxNode, known: Known): string | undefined {
  const compared = comparedParts(node);
  const all = compared ?? combinedParts(node);
  if (all === undefined) return undefined;
  const [first, second] = distinct(all.flatMap((one) => (one === undefined ? [] : met(one, known))));
  if (first !== undefined && second !== undefined) {
    return `collations in conflict: ${first.collation} and ${second.collation}`;
  }
  const columns = (compared ?? []).filter((one) => one?.kind === "ColumnReferenceExpression");
  const narrow = columns.some((one) => one !== undefined && known.column(one)?.national === false);
  const wide = (compared ?? []).some((one) => textTypeOfExpression(one, known)?.national === true);
  return narrow && wide ? "a varchar column is compared with an nvarchar" : undefined;
}

/** The texts that an expression is made of: several when their collations are in conflict. */
function met(node: SyntaxNode, known: Known): Met[] {
  const own = typeOf(node, known);
  const explicit = word(node, "Collation");
  if (explicit !== undefined) return [{ collation: explicit, national: own[0]?.national ?? false, explicit: true }];
  return own;
}

function typeOf(node: SyntaxNode, known: Known): Met[] {
  const implicit = (type: TextType | undefined): Met[] => (type === undefined ? [] : [{ ...type, explicit: false }]);
  if (node.kind === "ColumnReferenceExpression") return implicit(known.column(node));
  if (node.kind === "ScalarSubquery") return implicit(known.subquery(node));
  // Literals and variables take the collation of what they meet.
  if (node.kind === "StringLiteral") return implicit({ collation: undefined, national: node.IsNational === true });
  if (node.kind === "VariableReference") {
    const type = known.variable(node);
    return implicit(type && { ...type, collation: undefined });
  }
  const combined = combinedParts(node);
  if (combined === undefined || castTo(node)?.endsWith("Char") === false) return [];
  const found = combined.flatMap((one) => (one === undefined ? [] : met(one, known)));
  const national = castTo(node)?.startsWith("N") ?? (nationalFunction(node) || found.some((one) => one.national));
  const [first, ...others] = distinct(found);
  const strongest =
    first ?? found[0] ?? (nationalFunction(node) ? { collation: undefined, explicit: false } : undefined);
  return strongest === undefined ? [] : [{ ...strongest, national }, ...others];
}

function nationalFunction(node: SyntaxNode): boolean {
  return NATIONAL_FUNCTIONS.has((word(node, "FunctionName") ?? "").toUpperCase());
}

/** The type that a CAST or CONVERT makes. */
function castTo(node: SyntaxNode): string | undefined {
  return word(child(node, "DataType"), "SqlDataTypeOption");
}

/** What remains of the collations of some expressions: one, unless they are in conflict. */
function distinct(found: readonly Met[]): Met[] {
  const explicit = found.filter((one) => one.explicit);
  const strongest = explicit.length > 0 ? explicit : found.filter((one) => one.collation !== undefined);
  return strongest.filter(
    (one, place) => strongest.findIndex(({ collation }) => collation === one.collation) === place,
  );
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
export const JSON_COLUMNS: ReadonlyMap<string, TextType | undefined> = new Map([
  ["key", { collation: "Latin1_General_BIN2", national: true }],
  ["value", { collation: DATABASE_DEFAULT, national: true }],
  ["type", undefined],
]);
