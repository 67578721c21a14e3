import type { EvaluationPlugin, ValidationContext } from "@hyperjump/json-schema/experimental";
import type { JsonNode } from "@hyperjump/json-schema/instance/experimental";
import type { FieldError } from "../../../model/errors.ts";

/** What is wrong with a payload, in words: the place and what the schema wants there, never the value. */

interface Context extends ValidationContext {
  /** What the parts of a keyword or schema have found so far. */
  problems?: FieldError[];
}

/** Problems kept for one payload: the rest would only make the answer long. */
const KEPT_MAX = 10;

type Say = (wanted: unknown) => string;
const list = (names: unknown) => (Array.isArray(names) ? names.join(", ") : String(names));

/** By the keyword's name. Values of keywords are the schema's, which every agent may read. */
const MESSAGES: Readonly<Record<string, Say>> = {
  type: (types) => `must be ${Array.isArray(types) ? types.join(" or ") : String(types)}`,
  const: () => "must be equal to the constant of the schema",
  enum: () => "must be one of the values that the schema names",
  minimum: (limit) => `must be >= ${limit}`,
  maximum: (limit) => `must be <= ${limit}`,
  exclusiveMinimum: (limit) => `must be > ${limit}`,
  exclusiveMaximum: (limit) => `must be < ${limit}`,
  multipleOf: (divisor) => `must be a multiple of ${divisor}`,
  minLength: (limit) => `must have at least ${limit} characters`,
  maxLength: (limit) => `must have at most ${limit} characters`,
  minItems: (limit) => `must have at least ${limit} items`,
  maxItems: (limit) => `must have at most ${limit} items`,
  minProperties: (limit) => `must have at least ${limit} properties`,
  maxProperties: (limit) => `must have at most ${limit} properties`,
  pattern: (pattern) => `must match the pattern ${pattern instanceof RegExp ? pattern.source : ""}`,
  uniqueItems: () => "must not have two equal items",
  required: (names) => `must have the properties ${list(names)}`,
  dependentRequired: () => "must have the properties that its other properties require",
  contains: () => "must have as many matching items as the schema requires",
  anyOf: () => "must match at least one alternative of the schema",
  oneOf: () => "must match exactly one alternative of the schema",
  not: () => "must not match what the schema excludes",
};

/** `#/items/0/sku` as `payload.items.0.sku`, at most 256 characters. */
function pathOf(instance: JsonNode): string {
  const segments = instance.pointer.split("/").slice(1);
  const names = segments.map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
  return ["payload", ...names].join(".").slice(0, 256);
}

function problemOf(keywordId: string, wanted: unknown, instance: JsonNode): FieldError {
  const keyword = keywordId.slice(keywordId.lastIndexOf("/") + 1);
  const say = Object.hasOwn(MESSAGES, keyword) ? MESSAGES[keyword] : undefined;
  const message = say === undefined ? `does not satisfy ${keyword} of the schema` : say(wanted);
  return { path: pathOf(instance), message: message.slice(0, 300) };
}

/**
 * Collects the problems of one check. Keywords that only hand on to others (`properties`, `$ref`, `allOf`) say what their parts
 * say; for alternatives (`anyOf`, `not`) the parts would mislead, so the keyword speaks for itself.
 */
export class ProblemCollector implements EvaluationPlugin<Context> {
  #found: FieldError[] = [];

  get problems(): readonly FieldError[] {
    return this.#found;
  }

  readonly afterKeyword: NonNullable<EvaluationPlugin<Context>["afterKeyword"]> = (
    [keywordId, , wanted],
    instance,
    context,
    valid,
    schemaContext,
    keyword,
  ) => {
    if (valid) return;
    const own = keyword.simpleApplicator === true ? context.problems : [problemOf(keywordId, wanted, instance)];
    schemaContext.problems = [...(schemaContext.problems ?? []), ...(own ?? [])].slice(0, KEPT_MAX);
  };

  readonly afterSchema: NonNullable<EvaluationPlugin<Context>["afterSchema"]> = (url, instance, context, valid) => {
    // A schema that is `false`: what additionalProperties and unevaluatedItems mostly are.
    if (!valid && typeof context.ast[url] === "boolean") {
      const problem = { path: pathOf(instance), message: "is not allowed by the schema" };
      context.problems = [...(context.problems ?? []), problem].slice(0, KEPT_MAX);
    }
    this.#found = context.problems ?? [];
  };
}
