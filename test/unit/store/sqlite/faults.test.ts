import { describe, expect, it } from "@jest/globals";
import { sqliteCode, storeError } from "../../../../src/lib/store/sqlite/faults.ts";

/** Errors of SQLite, by their shape. */
function failed(errcode: unknown, message = "it did not work"): Error {
  return Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode });
}

describe("what a driver throws", () => {
  it.each([
    ["no permission", 3],
    ["busy", 5],
    ["busy, recovering", 5 | (1 << 8)],
    ["locked", 6],
    ["no memory", 7],
    ["read-only", 8],
    ["read-only, moved", 8 | (4 << 8)],
    ["I/O, while reading", 10 | (1 << 8)],
    ["corrupt", 11],
    ["full", 13],
    ["cannot open", 14],
    ["the protocol of locks", 15],
    ["another schema", 17],
    ["no large files", 22],
    ["no database", 26],
  ])("%s: the store is unavailable", (_, errcode) => {
    const error = failed(errcode);
    expect(storeError(error)).toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterSeconds: 1, cause: error });
    expect(sqliteCode(error)).toBe(errcode & 0xff);
  });

  it("of a table that has gone: the file was emptied", () => {
    expect(storeError(failed(1, "no such table: messages"))).toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it.each([
    ["a mistake in the text", failed(1, 'near "SELEC": no such table: syntax error')],
    ["a constraint", failed(19)],
    ["a code that is no number", failed("5")],
    ["an error without a code", new Error("no such table: messages")],
    ["nothing", undefined],
    ["null", null],
    ["a text", "errcode"],
  ])("%s is what it was", (_, error) => {
    expect(storeError(error)).toBe(error);
  });
});
