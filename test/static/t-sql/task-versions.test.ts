import { describe, expect, it } from "@jest/globals";
import { taskUpdates } from "./task-updates.ts";

/** Updates of tasks that are no transition, each with its reason. */
const NO_TRANSITION: Readonly<Record<string, string>> = {
  "assign_tasks: dependents": "it locks what a new task depends on",
  "create_workflow: dependents": "it locks what a new task depends on",
  "suspend_for_children: dependents": "it locks what a new child depends on",
  "correct_tasks: available_at": "it corrects times that a clock left in the future",
};

const updates = taskUpdates();

describe("every update of tasks on Azure SQL", () => {
  it("raises the version, but for what is no transition", () => {
    expect(updates.length).toBeGreaterThan(10);
    const silent = updates.filter(({ rest }) => !/^version = t\.version \+ /.test(rest));
    expect(new Set(silent.map(({ name, rest }) => `${name}: ${/^\w+/.exec(rest)?.[0]}`))).toEqual(
      new Set(Object.keys(NO_TRANSITION)),
    );
  });
});
