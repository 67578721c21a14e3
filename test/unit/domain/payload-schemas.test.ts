import { describe, expect, it } from "@jest/globals";
import { PayloadSchemas } from "../../../src/lib/domain/messages/payload-schemas.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import type { MessageTypeDefinition } from "../../../src/lib/model/message.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";

type Schema = MessageTypeDefinition["schema"];

async function outcome(
  schema: Schema,
  payload: JsonValue,
  schemas = new PayloadSchemas(),
  updatedAt = "2026-01-01T00:00:00Z",
) {
  try {
    await schemas.validate({ type: "custom", schema, updatedAt }, payload);
    return "fits";
  } catch (error) {
    if (isAgentCommunicationError(error)) return error.code;
    throw error;
  }
}

async function accepted(schema: Schema): Promise<boolean> {
  try {
    await new PayloadSchemas().check(schema);
    return true;
  } catch (error) {
    if (isAgentCommunicationError(error, "INVALID_REQUEST")) return false;
    throw error;
  }
}

const nested = (depth: number): JsonValue => JSON.parse("[".repeat(depth) + "]".repeat(depth));

describe("payload schemas", () => {
  it("are JSON Schema 2020-12", async () => {
    expect(await outcome(true, 1)).toBe("fits");
    expect(await outcome(false, 1)).toBe("SCHEMA_MISMATCH");
    const tuple = { prefixItems: [{ type: "integer" }], items: false };
    expect([await outcome(tuple, [1]), await outcome(tuple, [1, 2])]).toEqual(["fits", "SCHEMA_MISMATCH"]);
    const tree = { $ref: "#/$defs/n", $defs: { n: { type: "array", items: { $ref: "#/$defs/n" } } } };
    expect([await outcome(tree, nested(40)), await outcome(tree, [[1]])]).toEqual(["fits", "SCHEMA_MISMATCH"]);
  });

  it("follow the definition when it changes", async () => {
    const schemas = new PayloadSchemas();
    expect(await outcome({ type: "string" }, 1, schemas)).toBe("SCHEMA_MISMATCH");
    expect(await outcome({ type: "integer" }, 1, schemas, "2026-01-02T00:00:00Z")).toBe("fits");
  });

  it("may use the same $id for two types", async () => {
    expect([
      await accepted({ $id: "https://example.com/x", type: "string" }),
      await accepted({ $id: "https://example.com/x", type: "number" }),
    ]).toEqual([true, true]);
  });

  it("that cannot be used are refused", async () => {
    const bad: Schema[] = [
      { $async: true },
      { $ref: "https://example.com/a.json" },
      { type: "no" },
      { pattern: "(" },
      { minimum: "3" },
      { properties: [] },
      { $schema: "https://example.com/dialect" },
    ];
    for (const schema of bad) expect([schema, await accepted(schema)]).toEqual([schema, false]);
  });

  it("never hold the process up, whatever they ask for", async () => {
    const alternatives = Array.from({ length: 30 }, () => ({ items: { $ref: "#/$defs/x" }, minItems: 1 }));
    const hostile: [Schema, JsonValue][] = [
      [{ pattern: "^(a+)+$" }, `${"a".repeat(60)}!`],
      [{ $ref: "#/$defs/x", $defs: { x: { anyOf: alternatives } } }, nested(40)],
      [{ uniqueItems: true, items: { minimum: 0 } }, Array.from({ length: 100_000 }, (_, index) => ({ index }))],
    ];
    for (const [schema, payload] of hostile) expect(await outcome(schema, payload)).toBe("SCHEMA_MISMATCH");
  });

  it("are watched when they are large, though nothing in them is costly by itself", async () => {
    // 10,000 assertions for each of 900 values take 5 s when nobody looks at the clock; a busy machine is given 0.8 s at most.
    const schema = { items: { allOf: Array.from({ length: 10_000 }, (_, minimum) => ({ minimum: -minimum })) } };
    const payload = Array.from({ length: 900 }, (_, index) => index);
    await expect(
      new PayloadSchemas().validate({ type: "custom", schema, updatedAt: "2026-01-01T00:00:00Z" }, payload),
    ).rejects.toMatchObject({
      code: "SCHEMA_MISMATCH",
      message: "The payload could not be checked within 100 ms against the schema of custom.",
      errors: [{ path: "payload", message: "could not be checked within 100 ms" }],
    });
    expect(await outcome(schema, [1, 2])).toBe("fits");
  });

  it("are charged for what their checks take", async () => {
    const spent: number[] = [];
    const call = { actor: "a", role: undefined, credential: "none", spend: (ms: number) => spent.push(ms) } as const;
    await actingAs(call, () => outcome({ type: "integer" }, 1));
    expect(await actingAs(call, () => outcome({ type: "integer" }, "1"))).toBe("SCHEMA_MISMATCH");
    expect(spent.map((milliseconds) => milliseconds >= 0 && milliseconds < 10_000)).toEqual([true, true]);
  });

  it("that refer to themselves for ever are refused or end", async () => {
    const loop: Schema = { $ref: "#" };
    expect(!(await accepted(loop)) || (await outcome(loop, 1)) === "SCHEMA_MISMATCH").toBe(true);
  });
});
