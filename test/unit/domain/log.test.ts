import { describe, expect, it } from "@jest/globals";
import { errorFields, lineLog } from "../../../src/lib/trace/log.ts";

/** What a log line may have of what others wrote: names, codes and places, bounded and escaped. */
describe("fields of an unexpected error", () => {
  it("are its name, code, number and where it happened", () => {
    const error = Object.assign(new TypeError("quoted contents"), { code: "ECODE", number: 1205 });
    const fields = errorFields(error);
    expect(fields).toMatchObject({ error: "TypeError", code: "ECODE", number: 1205 });
    expect(fields.at).toMatch(/^at .*log\.test\.ts/);
    expect(JSON.stringify(fields)).not.toContain("quoted");
  });

  it("have nothing of a message whose lines look like places", () => {
    const message = "could not parse:\n    at the secret place (payload.ts:1:1)\n   at another secret";
    const fields = errorFields(new Error(message));
    expect(JSON.stringify(fields)).not.toContain("secret");
    expect(fields.at).toContain("log.test.ts");
  });

  it("are bounded, and take no code that is neither text nor number", () => {
    const hostile = {
      toString() {
        throw new Error("hostile");
      },
    };
    expect(errorFields(Object.assign(new Error("x"), { code: hostile })).code).toBeUndefined();
    const long = Object.assign(new Error("x"), { code: "c".repeat(10_000), name: "n".repeat(10_000) });
    long.stack = `Error: x\n${`    at ${"p".repeat(10_000)}\n`.repeat(20)}`;
    expect(JSON.stringify(errorFields(long)).length).toBeLessThan(3_000);
    expect(errorFields("text")).toEqual({ error: "string" });
  });
});

describe("a line of the log", () => {
  it("is one line, whatever its fields hold", () => {
    const lines: string[] = [];
    lineLog((line) => lines.push(line)).error("event", { code: "a\n\u001b[2J\u009b\u202e{}" });
    expect(lines[0]).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ event: "event", code: "a\n\u001b[2J\u009b\u202e{}" });
  });
});
