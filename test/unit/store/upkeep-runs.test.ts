import { describe, expect, it } from "@jest/globals";
import {
  DEPENDENT_ROUNDS_MAX,
  NOTHING_SWEPT,
  runTaskSweep,
  type SweepPosition,
  type TaskSweep,
} from "../../../src/lib/store/upkeep-runs.ts";

describe("the sweep of tasks", () => {
  /** Steps of an engine, and the order in which they were asked for. */
  function steps(next: (position: SweepPosition | undefined) => SweepPosition | undefined) {
    const asked: string[] = [];
    const sweepTasks = async (position: SweepPosition | undefined): Promise<TaskSweep> => {
      asked.push(position?.step ?? "first");
      return { ...NOTHING_SWEPT, tasksUnblocked: position?.step === "dependents" ? 1 : 0, next: next(position) };
    };
    return { asked, sweepTasks };
  }

  it("tells all dependents that are left before it hands out", async () => {
    let left = 5;
    const { asked, sweepTasks } = steps((position) => {
      if (position === undefined) return { step: "dependents" };
      if (position.step !== "dependents") return undefined;
      left -= 1;
      return left > 0 ? { step: "dependents" } : { step: "demands", after: 0 };
    });
    expect(await runTaskSweep(sweepTasks)).toMatchObject({ tasksUnblocked: 5 });
    expect(asked).toEqual(["first", ...Array(5).fill("dependents"), "demands"]);
  });

  it("hands out even where the dependents never come to an end", async () => {
    const { asked, sweepTasks } = steps((position) =>
      position?.step === "demands" ? undefined : { step: "dependents" },
    );
    await runTaskSweep(sweepTasks);
    expect(asked.filter((step) => step === "dependents")).toHaveLength(DEPENDENT_ROUNDS_MAX);
    expect(asked.at(-1)).toBe("demands");
  });
});
