import { describe, expect, it } from "@jest/globals";
import { isAgentCommunicationError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import type { MessageTypeDefinition } from "../../src/lib/messages/message.ts";
import { PayloadSchemas } from "../../src/lib/messages/payload-schemas.ts";

type Schema = MessageTypeDefinition["schema"];

function outcome(
  schema: Schema,
  payload: JsonValue,
  schemas = new PayloadSchemas(),
  updatedAt = "2026-01-01T00:00:00Z",
) {
  try {
    schemas.validate({ type: "custom", schema, updatedAt }, payload);
    return "fits";
  } catch (error) {
    if (isAgentCommunicationError(error)) return error.code;
    throw error;
  }
}

function accepted(schema: Schema): boolean {
  try {
    new PayloadSchemas().check(schema);
    return true;
  } catch (error) {
    if (isAgentCommunicationError(error, "INVALID_REQUEST")) return false;
    throw error;
  }
}

const nested = (depth: number): JsonValue => JSON.parse("[".repeat(depth) + "]".repeat(depth));

describe("payload schemas", () => {
  it("are JSON Schema 2020-12", () => {
    expect(outcome(true, 1)).toBe("fits");
    expect(outcome(false, 1)).toBe("SCHEMA_MISMATCH");
    const tuple = { prefixItems: [{ type: "integer" }], items: false };
    expect([outcome(tuple, [1]), outcome(tuple, [1, 2])]).toEqual(["fits", "SCHEMA_MISMATCH"]);
    const tree = { $ref: "#/$defs/n", $defs: { n: { type: "array", items: { $ref: "#/$defs/n" } } } };
    expect([outcome(tree, nested(40)), outcome(tree, [[1]])]).toEqual(["fits", "SCHEMA_MISMATCH"]);
  });

  it("follow the definition when it changes", () => {
    const schemas = new PayloadSchemas();
    expect(outcome({ type: "string" }, 1, schemas)).toBe("SCHEMA_MISMATCH");
    expect(outcome({ type: "integer" }, 1, schemas, "2026-01-02T00:00:00Z")).toBe("fits");
  });

  it("may use the same $id for two types", () => {
    expect([
      accepted({ $id: "https://example.com/x", type: "string" }),
      accepted({ $id: "https://example.com/x", type: "number" }),
    ]).toEqual([true, true]);
  });

  it("that cannot be used are refused", () => {
    const bad: Schema[] = [
      { $async: true },
      { $ref: "https://example.com/a.json" },
      { type: "no" },
      { pattern: "(" },
      { minimum: "3" },
      { properties: [] },
      { $schema: "https://example.com/dialect" },
    ];
    expect(bad.filter(accepted)).toEqual([]);
  });

  it("never hold the process up, whatever they ask for", () => {
    const alternatives = Array.from({ length: 30 }, () => ({ items: { $ref: "#/$defs/x" }, minItems: 1 }));
    const hostile: [Schema, JsonValue][] = [
      [{ pattern: "^(a+)+$" }, `${"a".repeat(60)}!`],
      [{ $ref: "#/$defs/x", $defs: { x: { anyOf: alternatives } } }, nested(40)],
      [{ uniqueItems: true, items: { minimum: 0 } }, Array.from({ length: 100_000 }, (_, index) => ({ index }))],
    ];
    for (const [schema, payload] of hostile) expect(outcome(schema, payload)).toBe("SCHEMA_MISMATCH");
  });

  it("that refer to themselves for ever are refused or end", () => {
    const loop: Schema = { $ref: "#" };
    expect(!accepted(loop) || outcome(loop, 1) === "SCHEMA_MISMATCH").toBe(true);
  });
});
