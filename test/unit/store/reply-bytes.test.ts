import { describe, expect, it } from "@jest/globals";
import { REPLY_MAX_BYTES } from "../../../src/lib/model/limits.ts";
import { takePage } from "../../../src/lib/store/reply-bytes.ts";

/** Rows of so many bytes, by place; `read` notes which of them were read. */
function page(sizes: readonly number[], limit: number, found?: number) {
  const read: number[] = [];
  const { items, nextCursor } = takePage(
    sizes.map((size, place) => ({ size, place })),
    limit,
    ({ size, place }) => {
      read.push(place);
      return "x".repeat(size - 2);
    },
    (last) => `after ${last.place}`,
    found,
  );
  return { sizes: items.map((item) => item.length + 2), nextCursor, read };
}

describe("a page bounded in rows and bytes", () => {
  it("ends at its limit, and reads nothing behind it", () => {
    expect(page([10, 10, 10], 2)).toEqual({ sizes: [10, 10], nextCursor: "after 1", read: [0, 1] });
    expect(page([10, 10], 2)).toEqual({ sizes: [10, 10], nextCursor: null, read: [0, 1] });
    expect(page([], 2)).toEqual({ sizes: [], nextCursor: null, read: [] });
  });

  it("ends before the row that is too much, exactly", () => {
    const half = REPLY_MAX_BYTES / 2;
    expect(page([half, half, 10], 9)).toEqual({ sizes: [half, half], nextCursor: "after 1", read: [0, 1, 2] });
    expect(page([half, half + 1, 10], 9)).toEqual({ sizes: [half], nextCursor: "after 0", read: [0, 1] });
  });

  it("always has a row: one that is larger than a reply comes alone", () => {
    const large = REPLY_MAX_BYTES + 1;
    expect(page([large, 10], 9)).toEqual({ sizes: [large], nextCursor: "after 0", read: [0, 1] });
    expect(page([10, large], 9)).toEqual({ sizes: [10], nextCursor: "after 0", read: [0, 1] });
    expect(page([large], 9)).toEqual({ sizes: [large], nextCursor: null, read: [0] });
  });

  it("goes on where the engine has left rows out", () => {
    expect(page([10, 10], 9, 3).nextCursor).toBe("after 1");
    expect(page([10, 10], 9, 2).nextCursor).toBeNull();
  });

  it("counts bytes of UTF-8 as JSON: a control character is six of them", () => {
    const rows = Array.from({ length: 3 }, () => "\u0001".repeat(REPLY_MAX_BYTES / 12 - 1));
    const { items } = takePage(rows, 9, (row) => row, String);
    expect(items).toHaveLength(2);
  });
});
