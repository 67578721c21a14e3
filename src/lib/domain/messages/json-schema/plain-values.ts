import { value } from "@hyperjump/browser";
import type { Keyword } from "@hyperjump/json-schema/experimental";
import { value as instanceValue } from "@hyperjump/json-schema/instance/experimental";
import { stringify } from "safe-stable-stringify";
import type { JsonValue } from "../../../model/json.ts";

/**
 * Values that stand in a schema and are no schemas: `const`, `enum`, `default`. The library looks for `$id` and `$anchor`
 * in them as well, and then they are not what they were. So they are kept from it as JSON texts.
 */

const SCHEMA_KEYWORDS = new Set([
  ...["items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"],
  ...["unevaluatedItems", "unevaluatedProperties", "contentSchema"],
]);
const LIST_KEYWORDS = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);
const MAP_KEYWORDS = new Set(["$defs", "definitions", "properties", "patternProperties", "dependentSchemas"]);

/**
 * The schema with its plain values as texts. Keywords that 2020-12 does not know stay as they are, since a $ref may lead into them; but
 * for names such as `constructor`, which the library would find in every object.
 */
export function withTexts(schema: JsonValue): JsonValue {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return schema;
  const keywords = Object.entries(schema).filter(([name]) => !(name in Object.prototype));
  return Object.fromEntries(keywords.map(([name, part]) => [name, partWithTexts(name, part)]));
}

function partWithTexts(name: string, part: JsonValue): JsonValue {
  if (SCHEMA_KEYWORDS.has(name)) return withTexts(part);
  if (name === "const") return textOf(part);
  // An annotation, which nothing here reads.
  if (name === "default") return null;
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) {
    if (name === "enum") return part.map(textOf);
    return LIST_KEYWORDS.has(name) ? part.map(withTexts) : part;
  }
  if (!MAP_KEYWORDS.has(name)) return part;
  return Object.fromEntries(Object.entries(part).map(([key, schema]) => [key, withTexts(schema)]));
}

/** Equal values have equal texts: keys in order, 1.0 as 1. */
function textOf(of: JsonValue): string {
  return stringify(of) ?? "null";
}

/** `const` and `enum` that compare with such texts. */
export function textKeywords(prefix: string): { const: Keyword<string>; enum: Keyword<ReadonlySet<string>> } {
  return {
    const: {
      id: `${prefix}/const`,
      compile: async (schema) => value<string>(schema),
      interpret: (text, instance) => textOf(instanceValue<JsonValue>(instance)) === text,
    },
    enum: {
      id: `${prefix}/enum`,
      compile: async (schema) => new Set(value<string[]>(schema)),
      interpret: (texts, instance) => texts.has(textOf(instanceValue<JsonValue>(instance))),
    },
  };
}
