import { describe, expect, it } from "@jest/globals";
import { withinTime } from "../../../src/lib/base/within-time.ts";

/** Waits without working, as a thread does that a busy machine has put aside. */
function putAside(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function work(): never {
  for (;;) Math.sqrt(2);
}

describe("work within a time", () => {
  it("gives what it gave, and throws what it threw", () => {
    expect(withinTime(() => 7, 100)).toBe(7);
    expect(() =>
      withinTime(() => {
        throw new RangeError("no");
      }, 100),
    ).toThrow("no");
  });

  it("ends when it has taken that long on the processor, or has been tried often enough", () => {
    let calls = 0;
    let began = process.threadCpuUsage();
    const endless = () => {
      calls += 1;
      began = process.threadCpuUsage();
      work();
    };
    expect(() => withinTime(endless, 50)).toThrow(expect.objectContaining({ code: "ERR_SCRIPT_EXECUTION_TIMEOUT" }));
    const { user, system } = process.threadCpuUsage(began);
    // On a machine with time to spare the first try is the last.
    expect(calls === 4 || (user + system) / 1_000 >= 30).toBe(true);
  });

  it("begins anew when the machine was busy with something else", () => {
    let calls = 0;
    const late = () => {
      calls += 1;
      if (calls === 1) putAside(10_000);
      return calls;
    };
    expect(withinTime(late, 50)).toBe(2);
  });

  it("gives up on a machine that has no time at all", () => {
    let calls = 0;
    const never = () => {
      calls += 1;
      putAside(10_000);
    };
    expect(() => withinTime(never, 20)).toThrow(expect.objectContaining({ code: "ERR_SCRIPT_EXECUTION_TIMEOUT" }));
    expect(calls).toBe(4);
  });
});
