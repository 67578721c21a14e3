import fc from "fast-check";
import type { DependencyCondition } from "../../../src/lib/model/dependency.ts";

/** Random graphs: tasks and workflows that are created and ended in turn. */

export interface GraphNode {
  /** Whom it waits for: one of those before it, counted back from itself. */
  dependsOn: { back: number; when: DependencyCondition }[];
  gate: boolean;
  manned: boolean;
}
export type Act = "start" | "complete" | "fail" | "lose" | "cancel";
export type GraphStep =
  | { do: "task"; node: GraphNode }
  | { do: "workflow"; nodes: GraphNode[]; stop: boolean; notify: number; backwards: boolean }
  | { do: "act"; act: Act; task: number }
  | { do: "cancel workflow"; workflow: number };

const kind = <K extends string>(name: K) => fc.constant(name);
const when = fc.constantFrom<DependencyCondition>("completed", "completed", "completed", "ended", "failed");
const seldom = fc.nat({ max: 6 }).map((n) => n === 0);
const node = fc.record({
  dependsOn: fc.array(fc.record({ back: fc.nat({ max: 7 }), when }), { maxLength: 3 }),
  gate: seldom,
  manned: seldom.map((is) => !is),
});
const act = fc.constantFrom<Act>(
  "start",
  "start",
  "complete",
  "complete",
  "complete",
  "fail",
  "fail",
  "lose",
  "cancel",
);
export const graphSteps = fc.array<GraphStep>(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ do: kind("task"), node }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: kind("workflow"),
        nodes: fc.array(node, { minLength: 1, maxLength: 14, size: "max" }),
        stop: fc.boolean(),
        notify: fc.nat({ max: 2 }),
        backwards: fc.boolean(),
      }),
    },
    { weight: 14, arbitrary: fc.record({ do: kind("act"), act, task: fc.nat({ max: 60 }) }) },
    { weight: 1, arbitrary: fc.record({ do: kind("cancel workflow"), workflow: fc.nat({ max: 5 }) }) },
  ),
  { minLength: 8, maxLength: 30, size: "max" },
);
