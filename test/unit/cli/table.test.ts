import { describe, expect, it } from "@jest/globals";
import { cell, properties, table } from "../../../src/cli/table.ts";
import { relativeTime, type View } from "../../../src/cli/view.ts";

const NOW = Date.parse("2026-03-01T12:00:00.000Z");
const VIEW: View = { columns: undefined, now: NOW };

describe("tables", () => {
  const columns = [
    { title: "name", value: (row: { name?: string; n: number }) => row.name },
    { title: "n", value: (row: { name?: string; n: number }) => row.n, right: true },
  ];

  it("aligns, shows what is absent as a dash, and leaves no blanks at line ends", () => {
    expect(table(columns, [{ name: "long name", n: 5 }, { n: 1_000 }], VIEW)).toBe(
      ["NAME          N", "long name     5", "-          1000"].join("\n"),
    );
    expect(table(columns, [], VIEW)).toBe("(none)");
  });

  it("shortens and escapes cells", () => {
    expect(cell("x".repeat(70))).toBe(`${"x".repeat(59)}…`);
    expect(cell("a\nb\u001b[0m")).toBe("a\\u000ab\\u001b[0m");
    expect(cell({ a: 1 })).toBe('{"a":1}');
    expect(cell(null)).toBe("-");
    expect(properties({ metadata: { "a\n  b": 1, "x y": "z", plain: "\u009b" } }, VIEW)).toBe(
      ['metadata."a\\n  b"  1', 'metadata."x y"     z', "metadata.plain     \\u009b"].join("\n"),
    );
  });

  describe("in a terminal of so many columns", () => {
    const rows = [{ id: "0198-an-id-that-is-never-cut", note: "a long note ".repeat(4).trim(), n: 7 }];
    const wide = [
      { title: "id", value: (row: (typeof rows)[0]) => row.id },
      { title: "note", value: (row: (typeof rows)[0]) => row.note, text: true },
      { title: "n", value: (row: (typeof rows)[0]) => row.n, right: true },
    ];
    const linesAt = (columns: number | undefined) => table(wide, rows, { columns, now: NOW }).split("\n");
    const widest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));

    it("nothing is cut in a pipe or where everything fits", () => {
      expect(linesAt(undefined)[1]).toContain(rows[0]?.note);
      expect(linesAt(widest(linesAt(undefined)))).toEqual(linesAt(undefined));
    });

    it("texts are cut to the column, ids and numbers are not", () => {
      for (const columns of [41, 50, 60, 79]) {
        const lines = linesAt(columns);
        expect([columns, lines.length, widest(lines)]).toEqual([
          columns,
          2,
          Math.min(columns, widest(linesAt(undefined))),
        ]);
        expect(lines[1]).toMatch(/^0198-an-id-that-is-never-cut {2}a long.*… {2}7$/);
      }
    });

    it("a terminal that is too narrow for a table gets a block for each row", () => {
      expect(linesAt(40)).toEqual([
        "ID    0198-an-id-that-is-never-cut",
        `NOTE  ${rows[0]?.note.slice(0, 33)}…`,
        "N     7",
      ]);
    });

    it("characters that take two columns are counted as two", () => {
      const titles = [{ title: "text", value: (row: string) => row, text: true }];
      expect(table(titles, ["漢字漢字漢字"], { columns: 9, now: NOW }).split("\n")[1]).toBe("漢字漢字…");
    });
  });

  it("shows times as their distance from now, and texts that are no times as they are", () => {
    const column = [{ title: "seen", value: (row: string) => row, time: true }];
    const shown = (time: string) => table(column, [time], VIEW).split("\n")[1];
    expect(shown("2026-03-01T11:57:00.000Z")).toBe("3m ago");
    expect(shown("2026-03-01T11:57:00.001Z")).toBe("2m ago");
    expect(shown("2026-03-01T14:00:00Z")).toBe("in 2h");
    expect(shown("2026-02-27T12:00:00.000Z")).toBe("2d ago");
    expect(shown("2026-03-01T12:00:59.999Z")).toBe("in 59s");
    expect(["2026-03-01T12:00:00.999Z", "2026-03-01T11:59:59.001Z"].map(shown)).toEqual(["now", "now"]);
    expect(shown("2026-03-01T11:59:59.000Z")).toBe("1s ago");
    expect(shown("2026-01-30T12:00:00.000Z")).toBe("30d ago");
    expect(shown("2026-01-30T11:59:59.999Z")).toBe("2026-01-30");
    expect(shown("never")).toBe("never");
    expect(relativeTime("revoked 2026", VIEW)).toBe("revoked 2026");
  });

  it("gives properties that are times both ways", () => {
    expect(properties({ createdAt: "2026-03-01T11:00:00.000Z", note: "2026-03-01T11:00:00.000Z" }, VIEW)).toBe(
      "createdAt  2026-03-01T11:00:00.000Z (1h ago)\nnote       2026-03-01T11:00:00.000Z",
    );
  });

  it("dots nested properties", () => {
    expect(properties({ a: 1, deep: { er: { x: true } }, list: [1], none: {} }, VIEW)).toBe(
      ["a          1", "deep.er.x  true", "list       [1]", "none       {}"].join("\n"),
    );
  });
});
