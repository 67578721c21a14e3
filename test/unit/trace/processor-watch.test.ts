import { describe, expect, it } from "@jest/globals";
import { processorWatch } from "../../../src/lib/trace/processor-watch.ts";

/** Stands still for so long, as a process does that others keep from the processor. */
function standStill(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function work(milliseconds: number): void {
  const { user, system } = process.threadCpuUsage();
  const used = () => {
    const now = process.threadCpuUsage();
    return (now.user + now.system - user - system) / 1_000;
  };
  while (used() < milliseconds);
}

describe("the time of the processor", () => {
  it("counts work, and no time in which the process has stood still", () => {
    const elapsed = processorWatch();
    standStill(60);
    expect(elapsed()).toBeLessThan(30);
    work(40);
    const worked = elapsed();
    expect(worked).toBeGreaterThan(35);
    standStill(60);
    expect(elapsed() - worked).toBeLessThan(30);
  });

  it("is not that of work which came before", () => {
    work(40);
    const elapsed = processorWatch();
    standStill(60);
    expect(elapsed()).toBeLessThan(30);
  });
});
