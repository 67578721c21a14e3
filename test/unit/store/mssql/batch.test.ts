import { describe, expect, it } from "@jest/globals";
import {
  BatchResult,
  bit,
  id,
  int,
  lookUp,
  type OutcomeRow,
  outcomeRows,
  text,
} from "../../../../src/lib/store/mssql/batch.ts";
import { sqlText } from "../../../../src/lib/store/mssql/texts.ts";

describe("the recordsets of a batch", () => {
  const result = new BatchResult([
    [
      { item: 1, code: null, subject: null },
      { item: 0, code: "AGENT_NOT_FOUND", subject: "x" },
    ],
    [
      { item: 1, n: 1 },
      { item: 0, n: 2 },
      { item: 1, n: 3 },
    ],
  ]);

  it("are read by their place; one that the batch did not reach is empty", () => {
    expect(result.rows<{ n: number }>(1).map(({ n }) => n)).toEqual([1, 2, 3]);
    expect(result.rows(2)).toEqual([]);
  });

  it("are copies: what a reader changes reaches no other", () => {
    result.rows<{ n: number }>(1).length = 0;
    expect(result.rows(1)).toHaveLength(3);
  });

  it("give each item its rows, in their order", () => {
    const groups = result.byItem<{ item: number; n: number }>(1);
    expect([...groups]).toEqual([
      [
        1,
        [
          { item: 1, n: 1 },
          { item: 1, n: 3 },
        ],
      ],
      [0, [{ item: 0, n: 2 }]],
    ]);
    expect(result.byItem(7).size).toBe(0);
  });

  it("give the outcomes in the order of the items, for any order of the rows", () => {
    const outcomes = outcomeRows<OutcomeRow>(result, ["a", "b"]);
    expect(outcomes.map(({ item, code }) => [item, code])).toEqual([
      [0, "AGENT_NOT_FOUND"],
      [1, null],
    ]);
  });

  it("that say nothing of an item are an error, which names it", () => {
    expect(() => outcomeRows(result, ["a", "b", "c"])).toThrow("no outcome for item 2");
  });
});

describe("a look-up", () => {
  const roles = lookUp<string, string>({
    name: "roles",
    sql: sqlText("test-look-up", "SELECT 1"),
    encode: (agentId) => ({ agent_id: agentId }),
  });

  it("gives each call its value; null and an absent row are undefined", () => {
    const result = new BatchResult([
      [
        { item: 2, value: "worker" },
        { item: 0, value: null },
      ],
    ]);
    expect(roles.decode(result, ["a", "b", "c"])).toEqual([
      { value: undefined },
      { value: undefined },
      { value: "worker" },
    ]);
  });

  it("keeps 0 and the empty text, which are values", () => {
    const result = new BatchResult([
      [
        { item: 0, value: 0 },
        { item: 1, value: "" },
      ],
    ]);
    expect(roles.decode(result, ["a", "b"])).toEqual([{ value: 0 }, { value: "" }]);
  });

  it("takes 200 calls in a batch", () => {
    expect(roles).toMatchObject({ name: "roles", maxItems: 200 });
    expect(roles.encode("x")).toEqual({ agent_id: "x" });
  });
});

describe("typed inputs", () => {
  it("carry a declared length, so that texts of any length share one plan", () => {
    expect(id("x")).toEqual({ type: expect.objectContaining({ length: 128 }), value: "x" });
    expect(text("x").type).toMatchObject({ length: 65_535 });
    expect([int(null).value, bit(false).value]).toEqual([null, false]);
  });
});
