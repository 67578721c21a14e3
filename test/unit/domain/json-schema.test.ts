import { describe, expect, it } from "@jest/globals";
import { PayloadSchemas } from "../../../src/lib/domain/messages/payload-schemas.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import type { MessageTypeDefinition } from "../../../src/lib/model/message.ts";

/** The right values of JSON Schema 2020-12 where validators differ. The official suite is run by hand: docs/message-types.md. */

type Schema = MessageTypeDefinition["schema"];
let types = 0;

/** [] when the payload fits, otherwise path and message of each problem. */
async function problems(schema: Schema, payload: JsonValue): Promise<string[]> {
  types += 1;
  try {
    await new PayloadSchemas().validate({ type: `type${types}`, schema, updatedAt: "2026-01-01T00:00:00Z" }, payload);
    return [];
  } catch (error) {
    if (!isAgentCommunicationError(error, "SCHEMA_MISMATCH")) throw error;
    return (error.errors ?? []).map(({ path, message }) => `${path} ${message}`);
  }
}

const fits = async (schema: Schema, payload: JsonValue) => (await problems(schema, payload)).length === 0;

/** The detail of the refusal of a schema; undefined when it is taken. */
async function refusal(schema: Schema): Promise<{ path: string; message: string } | undefined> {
  try {
    await new PayloadSchemas().check(schema);
    return undefined;
  } catch (error) {
    if (!isAgentCommunicationError(error, "INVALID_REQUEST")) throw error;
    return error.errors?.[0];
  }
}

/** So many definitions, each of which refers twice to the next: 2^n ways to the last one. */
function multiplied(definitions: number, refer: (ref: JsonValue) => JsonValue): Schema {
  const parts = Array.from({ length: definitions }, (_, n): [string, JsonValue] => [
    `d${n}`,
    refer({ $ref: `#/$defs/d${n + 1}` }),
  ]);
  return { $ref: "#/$defs/d0", $defs: { ...Object.fromEntries(parts), [`d${definitions}`]: { type: "string" } } };
}

describe("numbers of JSON Schema", () => {
  it("are multiples as they are written: every amount in cents", async () => {
    const schemas = new PayloadSchemas();
    const definition = { type: "amount", schema: { multipleOf: 0.01 }, updatedAt: "2026-01-01T00:00:00Z" };
    const refused: number[] = [];
    for (let cents = 1; cents <= 10_000; cents += 1) {
      await schemas
        .validate(definition, Number(`${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`))
        .catch(() => refused.push(cents));
    }
    expect(refused).toEqual([]);
  });

  it.each([
    [0.01, 123_456_789_012.34, true],
    [0.01, 0.015, false],
    [0.01, -19.99, true],
    [0.1, 0.3, true],
    [0.3, 0.9, true],
    [1e-8, 1e-9, false],
    [1e-8, 12_391_239_123, true],
    [1e-11, 1.5e-11, false],
    [0.5, 1e308, true],
    [3, 9_007_199_254_740_991, false],
    [0.000_01, 0.000_07, true],
    [7, 0, true],
    [2.5, 10, true],
    [5e-324, 1e308, true],
  ])("multipleOf %p: %p is %p", async (multipleOf, payload, expected) => {
    expect(await fits({ multipleOf }, payload)).toBe(expected);
  });

  it("are integers when they have no fraction, however they are written", async () => {
    expect([await fits({ type: "integer" }, 1.0), await fits({ type: "integer" }, 1.5)]).toEqual([true, false]);
    expect([await fits({ const: 2 }, JSON.parse("2.0")), await fits({ enum: [0] }, JSON.parse("-0"))]).toEqual([
      true,
      true,
    ]);
  });
});

describe("keywords of JSON Schema", () => {
  it.each<[string, Schema, JsonValue, boolean]>([
    [
      "contains evaluates what it matches only",
      { contains: { type: "string" }, unevaluatedItems: false },
      ["a", 1],
      false,
    ],
    [
      "contains evaluates all that it matches",
      { contains: { type: "string" }, unevaluatedItems: false },
      ["a", "b"],
      true,
    ],
    ["minContains 0 still evaluates", { contains: { const: 1 }, minContains: 0, unevaluatedItems: false }, [1], true],
    [
      "if alone evaluates",
      { if: { properties: { a: { const: 1 } }, required: ["a"] }, unevaluatedProperties: false },
      { a: 1 },
      true,
    ],
    [
      "a branch that fails evaluates nothing",
      { anyOf: [{ properties: { a: { const: 2 } } }, true], unevaluatedProperties: false },
      { a: 1 },
      false,
    ],
    ["nullable is no keyword", { type: "string", nullable: true }, null, false],
    ["dependencies is no keyword", { dependencies: { a: ["b"] } }, { a: 1 }, true],
    ["additionalItems is no keyword", { prefixItems: [true], additionalItems: false }, [1, 2], true],
    ["$recursiveRef is no keyword", { items: { $recursiveRef: "#" }, type: "array" }, [1], true],
    ["definitions are no assertion", { definitions: { a: false } }, 1, true],
    ["dependentRequired is one", { dependentRequired: { a: ["b"] } }, { a: 1 }, false],
    ["format is an annotation", { format: "email" }, "no address", true],
    ["content is an annotation", { contentEncoding: "base64", contentMediaType: "application/json" }, "%", true],
    [
      "unknown keywords may be called as in every object",
      { constructor: 1, hasOwnProperty: {}, type: "string" },
      "a",
      true,
    ],
    ["unknown keywords mean nothing", { "x-note": { type: "string" } }, 1, true],
    ["a required name of every object is missed", { required: ["toString"] }, {}, false],
    ["a required __proto__ is missed", { required: ["__proto__"] }, {}, false],
    ["names of every object are additional", { additionalProperties: false }, JSON.parse('{"constructor":1}'), false],
    ["properties named as those of every object", { properties: { constructor: { type: "number" } } }, {}, true],
    ["lengths count characters", { maxLength: 1 }, "\u{1F600}", true],
    ["patterns are not anchored", { pattern: "b" }, "abc", true],
    ["patterns are of Unicode", { pattern: "^\\p{L}+$" }, "é", true],
    ["patterns look around", { pattern: "^(?=.*\\d)(?!.*\\s).{3,}(?<!-)$" }, "abc1", true],
    [
      "names beside patterns are not additional",
      { properties: { "a.c": true }, patternProperties: { "^x-": true }, additionalProperties: false },
      { "a.c": 1, "x-y": 2 },
      true,
    ],
    [
      "names are no patterns",
      { properties: { "a.c": true }, patternProperties: { "^x-": true }, additionalProperties: false },
      { abc: 1 },
      false,
    ],
    ["without names or patterns all are additional", { additionalProperties: { type: "null" } }, { a: 1 }, false],
    [
      "equal items are equal in any order of names",
      { uniqueItems: true },
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      false,
    ],
    ["1 and true differ", { uniqueItems: true }, [1, true], true],
    ["an empty enum fits nothing", { enum: [] }, null, false],
    ["an $id in a constant is a value", { const: { $id: "x", a: 1 } }, { $id: "x", a: 1 }, true],
    ["an $anchor in an enum is a value", { enum: [{ $anchor: "x" }] }, { $anchor: "x" }, true],
    ["$ref has siblings", { $ref: "#/$defs/a", maxLength: 1, $defs: { a: { type: "string" } } }, "ab", false],
  ])("%s", async (_name, schema, payload, expected) => {
    expect(await fits(schema, payload)).toBe(expected);
  });

  it("name their place and what they want, never the value", async () => {
    const schema: Schema = {
      properties: { a: { type: "string" }, b: { anyOf: [{ type: "null" }, { minimum: 3 }] }, "c/d": { items: false } },
      required: ["z"],
    };
    expect(await problems(schema, { a: 12_345, b: 1, "c/d": ["secret"] })).toEqual([
      "payload.a must be string",
      "payload.b must match at least one alternative of the schema",
      "payload.c/d.0 is not allowed by the schema",
      "payload must have the properties z",
    ]);
  });
});

describe("what is wrong with a payload", () => {
  it.each<[Schema, JsonValue, string]>([
    [{ type: ["string", "null"] }, 1, "payload must be string or null"],
    [{ const: { a: 1 } }, 1, "payload must be equal to the constant of the schema"],
    [{ enum: [1, "a"] }, 2, "payload must be one of the values that the schema names"],
    [{ minimum: 3 }, 2, "payload must be >= 3"],
    [{ maximum: 3 }, 4, "payload must be <= 3"],
    [{ exclusiveMinimum: 3 }, 3, "payload must be > 3"],
    [{ exclusiveMaximum: 3 }, 3, "payload must be < 3"],
    [{ multipleOf: 3 }, 4, "payload must be a multiple of 3"],
    [{ minLength: 2 }, "a", "payload must have at least 2 characters"],
    [{ maxLength: 2 }, "abc", "payload must have at most 2 characters"],
    [{ minItems: 2 }, [1], "payload must have at least 2 items"],
    [{ maxItems: 2 }, [1, 2, 3], "payload must have at most 2 items"],
    [{ minProperties: 2 }, { a: 1 }, "payload must have at least 2 properties"],
    [{ maxProperties: 1 }, { a: 1, b: 2 }, "payload must have at most 1 properties"],
    [{ uniqueItems: true }, [1, 1], "payload must not have two equal items"],
    [{ required: ["a", "b"] }, {}, "payload must have the properties a, b"],
    [
      { dependentRequired: { a: ["b"] } },
      { a: 1 },
      "payload must have the properties that its other properties require",
    ],
    [{ contains: { type: "string" } }, [1], "payload must have as many matching items as the schema requires"],
    [{ anyOf: [{ type: "null" }] }, 1, "payload must match at least one alternative of the schema"],
    [{ oneOf: [true, true] }, 1, "payload must match exactly one alternative of the schema"],
    [{ not: { type: "number" } }, 1, "payload must not match what the schema excludes"],
    [{ propertyNames: { maxLength: 1 } }, { ab: 1 }, "payload.ab must have at most 1 characters"],
    [{ properties: { a: false } }, { a: 1 }, "payload.a is not allowed by the schema"],
    [{ prefixItems: [true, { type: "string" }] }, [1, 2], "payload.1 must be string"],
    [{ properties: { "a/b~c": { type: "string" } } }, { "a/b~c": 1 }, "payload.a/b~c must be string"],
    [{ properties: { "~1": { type: "string" } } }, { "~1": 1 }, "payload.~1 must be string"],
    [{ allOf: [{ $ref: "#/$defs/a" }], $defs: { a: { minimum: 2 } } }, 1, "payload must be >= 2"],
    [{ if: false, else: { minimum: 2 } }, 1, "payload must be >= 2"],
  ])("%j, %j: %s", async (schema, payload, expected) => {
    expect(await problems(schema, payload)).toEqual([expected]);
  });

  it("is told of ten places at most, each within 256 characters, and each word within 300", async () => {
    const many = await problems(
      { items: { type: "string" } },
      Array.from({ length: 12 }, () => 1),
    );
    expect(many).toEqual(Array.from({ length: 10 }, (_, index) => `payload.${index} must be string`));
    const each = await problems(
      { items: false },
      Array.from({ length: 12 }, () => 1),
    );
    expect(each).toHaveLength(10);
    const name = "n".repeat(300);
    expect(await problems({ properties: { [name]: { type: "null" } } }, { [name]: 1 })).toEqual([
      `payload.${"n".repeat(248)} must be null`,
    ]);
    const names = ["r".repeat(400)];
    expect(await problems({ required: names }, {})).toEqual([
      `payload must have the properties ${"r".repeat(300 - "must have the properties ".length)}`,
    ]);
  });

  it("is all of it: the first is in the sentence, the others stand beside it", async () => {
    const definition = {
      type: "custom",
      schema: { properties: { a: { minimum: 2 }, b: { maximum: 1 } } },
      updatedAt: "2026-01-01T00:00:00Z",
    };
    await expect(new PayloadSchemas().validate(definition, { a: 1, b: 2 })).rejects.toMatchObject({
      code: "SCHEMA_MISMATCH",
      message: "The payload does not satisfy the schema of custom: payload.a must be >= 2",
      errors: [
        { path: "payload.a", message: "must be >= 2" },
        { path: "payload.b", message: "must be <= 1" },
      ],
    });
  });
});

describe("keywords whose values are schemas", () => {
  /** A constant with an $id, which the library alone would take for a schema's; each keyword has to hand it on. */
  const inside = { const: { $id: "x" } };
  const [good, bad]: JsonValue[] = [{ $id: "x" }, { $id: "y" }];

  it.each<[string, Schema, (value: JsonValue) => JsonValue]>([
    ["items", { items: inside }, (value) => [value]],
    ["contains", { contains: inside }, (value) => [value]],
    ["additionalProperties", { additionalProperties: inside }, (value) => ({ a: value })],
    ["not", { not: { not: inside } }, (value) => value],
    ["then", JSON.parse(`{"if":true,"then":${JSON.stringify(inside)}}`), (value) => value],
    ["else", { if: false, else: inside }, (value) => value],
    ["if", { if: inside, else: false }, (value) => value],
    ["unevaluatedItems", { unevaluatedItems: inside }, (value) => [value]],
    ["unevaluatedProperties", { unevaluatedProperties: inside }, (value) => ({ a: value })],
    ["allOf", { allOf: [inside] }, (value) => value],
    ["anyOf", { anyOf: [inside] }, (value) => value],
    ["oneOf", { oneOf: [inside] }, (value) => value],
    ["prefixItems", { prefixItems: [inside] }, (value) => [value]],
    ["properties", { properties: { a: inside } }, (value) => ({ a: value })],
    ["patternProperties", { patternProperties: { a: inside } }, (value) => ({ a: value })],
    ["dependentSchemas", { dependentSchemas: { $id: inside } }, (value) => value],
    ["$defs", { $ref: "#/$defs/a", $defs: { a: inside } }, (value) => value],
    ["definitions", { $ref: "#/definitions/a", definitions: { a: inside } }, (value) => value],
  ])("are looked into: %s", async (_name, schema, payload) => {
    expect([await fits(schema, payload(good ?? null)), await fits(schema, payload(bad ?? null))]).toEqual([
      true,
      false,
    ]);
  });

  it("are looked into: propertyNames", async () => {
    const schema = { propertyNames: { enum: ["a"] } };
    expect([await fits(schema, { a: 1 }), await fits(schema, { b: 1 })]).toEqual([true, false]);
  });

  it("and values that are none are left alone: a default may be anything", async () => {
    expect(await refusal({ default: { $id: "https://json-schema.org/draft/2020-12/schema" } })).toBeUndefined();
    expect(await refusal({ properties: { a: { default: { $anchor: "1 2" } } } })).toBeUndefined();
  });
});

describe("references of JSON Schema", () => {
  it("lead from the root to an embedded $id", async () => {
    const schema = { $ref: "item", $defs: { i: { $id: "item", type: "integer" } } };
    expect([await fits(schema, 1), await fits(schema, "a")]).toEqual([true, false]);
    const absolute = {
      $id: "https://example.com/root.json",
      $ref: "https://example.com/int.json",
      $defs: { i: { $id: "int.json", $ref: "#/$defs/n", $defs: { n: { type: "integer" } } } },
    };
    expect([await fits(absolute, 1), await fits(absolute, "a")]).toEqual([true, false]);
    const file = { $id: "file:///folder/a.json", $ref: "#/$defs/n", $defs: { n: { type: "integer" } } };
    expect([await fits(file, 1), await fits(file, "a")]).toEqual([true, false]);
  });

  it("lead to the standard's own schemas", async () => {
    const schema = { $ref: "https://json-schema.org/draft/2020-12/schema" };
    expect([await fits(schema, { type: "string" }), await fits(schema, { type: "text" })]).toEqual([true, false]);
    expect(await fits(schema, { minLength: -1 })).toBe(false);
  });

  it("are dynamic where they say so: a tree whose nodes are those of the outer schema", async () => {
    const tree = {
      $id: "https://example.com/strict-tree",
      $dynamicAnchor: "node",
      $ref: "tree",
      unevaluatedProperties: false,
      $defs: {
        tree: {
          $id: "tree",
          $dynamicAnchor: "node",
          type: "object",
          properties: { data: true, children: { type: "array", items: { $dynamicRef: "#node" } } },
        },
      },
    };
    expect(await fits(tree, { children: [{ data: 1 }] })).toBe(true);
    expect((await problems(tree, { children: [{ daat: 1 }] }))[0]).toBe(
      "payload.children.0.daat is not allowed by the schema",
    );
  });
});

describe("a schema that cannot be used is refused with its place", () => {
  const META = "does not satisfy the meta-schema of JSON Schema 2020-12";

  it("unless it only says what it is in any case", async () => {
    for (const $schema of [
      "https://json-schema.org/draft/2020-12/schema",
      "https://json-schema.org/draft/2020-12/schema#",
    ])
      expect(await refusal({ $schema, type: "string" })).toBeUndefined();
    expect(await refusal({ properties: { $schema: { type: "string" }, $id: true } })).toBeUndefined();
  });

  it("or that is nested too deeply", async () => {
    let schema: Schema = { type: "null" };
    for (let depth = 0; depth < 20_000; depth += 1) schema = { not: schema };
    const said = await refusal(schema);
    expect(said?.message).toMatch(/^(is nested too deeply, or refers to itself endlessly|cannot be compiled)$/);
  });

  it("is told in a sentence, too", async () => {
    await expect(new PayloadSchemas().check({ properties: { a: { pattern: "(" } } })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: "The schema is not valid JSON Schema 2020-12: schema.properties.a.pattern is not a regular expression",
    });
  });

  it.each<[Schema, string, string]>([
    [{ $async: true }, "schema.$async", "asynchronous schemas are not supported"],
    [
      { allOf: [{ $schema: "https://example.com/x" }] },
      "schema.allOf.0.$schema",
      "must be https://json-schema.org/draft/2020-12/schema",
    ],
    [
      { $id: "https://json-schema.org/draft/2020-12/schema#" },
      "schema.$id",
      "is the id of a schema of the JSON Schema standard",
    ],
    [{ allOf: [{ minLength: -1, maxLength: "x" }] }, "schema.allOf.0.minLength", META],
    [{ type: "no" }, "schema.type", "does not satisfy the meta-schema of JSON Schema 2020-12"],
    [
      { properties: { a: { minimum: "3" } } },
      "schema.properties.a.minimum",
      "does not satisfy the meta-schema of JSON Schema 2020-12",
    ],
    [{ properties: { a: { pattern: "(" } } }, "schema.properties.a.pattern", "is not a regular expression"],
    [{ patternProperties: { "^x-": true, "[b-a]": true } }, "schema.patternProperties", "is not a regular expression"],
    [
      { pattern: "^(.)\\1$" },
      "schema.pattern",
      "is a regular expression with a backreference, \\1: write out what may be repeated, or leave that to the receiver",
    ],
    [
      { allOf: [{ pattern: "^.{1,20000}$" }, { pattern: "^.{1,19999}$" }] },
      "schema.allOf.1.pattern",
      "repeats too much: bound lengths by maxLength, not by {n,m}",
    ],
    [
      { $ref: "https://example.com/a.json" },
      "schema",
      "refers to https://example.com/a.json, which it does not contain; other documents are not loaded",
    ],
    [
      { $ref: "file:///etc/passwd" },
      "schema",
      "refers to file:///etc/passwd, which it does not contain; other documents are not loaded",
    ],
    [{ $ref: "#nowhere" }, "schema", "refers to #nowhere, which it does not contain; other documents are not loaded"],
    [{ $ref: "#/$defs/missing" }, "schema", "cannot be compiled: one of its references cannot be resolved"],
    [{ $ref: "#" }, "schema", "refers to itself endlessly"],
    [
      { allOf: [{ $ref: "#/$defs/a" }], $defs: { a: { anyOf: [{ $ref: "#" }] } } },
      "schema",
      "refers to itself endlessly",
    ],
    [multiplied(11, (ref) => ({ allOf: [ref, ref] })), "schema", "takes too long to check the smallest values"],
    [
      multiplied(11, (ref) => ({ if: ref, else: ref, allOf: [ref] })),
      "schema",
      "takes too long to check the smallest values",
    ],
    [
      { $schema: "http://json-schema.org/draft-07/schema#" },
      "schema.$schema",
      "must be https://json-schema.org/draft/2020-12/schema",
    ],
    [
      { $id: "https://json-schema.org/draft/2020-12/schema", $vocabulary: {} },
      "schema.$id",
      "is the id of a schema of the JSON Schema standard",
    ],
    [
      { $defs: { d: { $id: "https://example.com/d", $vocabulary: {} } } },
      "schema.$defs.d.$vocabulary",
      "defines a dialect, which is not supported",
    ],
  ])("%j", async (schema, path, message) => {
    expect(await refusal(schema)).toEqual({ path, message });
  });

  it("and one whose definitions share a base is none of them", async () => {
    expect(await refusal(multiplied(7, (ref) => ({ allOf: [ref, ref] })))).toBeUndefined();
    const member: JsonValue = { allOf: [{ $ref: "#/$defs/base" }, { minProperties: 1 }] };
    const members = Array.from({ length: 300 }, () => member);
    const base = { type: "object", required: ["id"], properties: { id: { type: "string" } } };
    expect(await refusal({ anyOf: members, $defs: { base } })).toBeUndefined();
  });

  it("and no stranger's schema changes what the next one means", async () => {
    await refusal({ $id: "https://json-schema.org/draft/2020-12/schema", $vocabulary: {} });
    await refusal({ $defs: { a: { $id: "https://json-schema.org/draft/2020-12/schema", type: "string" } } });
    expect(await refusal({ type: "no" })).toBeDefined();
    expect(await fits({ type: "string", minLength: 2 }, "a")).toBe(false);
  });

  it("but one that an earlier version took refuses payloads with a word to the admin, not with a fault of ours", async () => {
    expect(await problems({ $ref: "#/$defs/missing" }, 1)).toEqual([
      expect.stringMatching(/^payload cannot be checked: schema of type\d+ cannot be compiled/),
    ]);
  });
});
