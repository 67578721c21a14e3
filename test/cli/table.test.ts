import { describe, expect, it } from "@jest/globals";
import { cell, properties, table } from "../../src/cli/table.ts";

describe("tables", () => {
  const columns = [
    { title: "name", value: (row: { name?: string; n: number }) => row.name },
    { title: "n", value: (row: { name?: string; n: number }) => row.n, right: true },
  ];

  it("aligns, shows what is absent as a dash, and leaves no blanks at line ends", () => {
    expect(table(columns, [{ name: "long name", n: 5 }, { n: 1_000 }])).toBe(
      ["NAME          N", "long name     5", "-          1000"].join("\n"),
    );
    expect(table(columns, [])).toBe("(none)");
  });

  it("shortens and escapes cells", () => {
    expect(cell("x".repeat(70))).toBe(`${"x".repeat(59)}…`);
    expect(cell("a\nb\u001b[0m")).toBe("a\\u000ab\\u001b[0m");
    expect(cell({ a: 1 })).toBe('{"a":1}');
    expect(cell(null)).toBe("-");
  });

  it("dots nested properties", () => {
    expect(properties({ a: 1, deep: { er: { x: true } }, list: [1], none: {} })).toBe(
      ["a          1", "deep.er.x  true", "list       [1]", "none       {}"].join("\n"),
    );
  });
});
