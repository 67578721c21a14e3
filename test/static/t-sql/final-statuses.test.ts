import { describe, expect, it } from "@jest/globals";
import { sourcesIn } from "../style/sources.ts";
import { taskUpdates } from "./task-updates.ts";

/**
 * A task that has ended is left as it is by all but a retry. The tables hold half of it: a row with a final status has `ended_at`, and
 * one with another status has none. So a final status is left only where `ended_at` becomes null.
 */
describe("a final status of a task is left", () => {
  it("on Azure SQL by reopen_tasks alone", () => {
    const assigning = taskUpdates().filter(({ rest }) => /\bended_at = /.test(rest));
    expect(assigning.length).toBeGreaterThan(5);
    // A moment, or what it was; anything else may be NULL, as a CASE without ELSE is.
    const mayEmpty = assigning.filter(
      ({ rest }) =>
        !/\bended_at = (?:@now\b|CASE WHEN [^,]* ELSE t\.ended_at END)/.test(rest) ||
        /\bended_at = [^,]*NULL/.test(rest),
    );
    expect(mayEmpty.map(({ name }) => name)).toContain("reopen_tasks");
    const others = mayEmpty.filter(({ name }) => name !== "reopen_tasks");
    // They write rows that have no final status before.
    expect(others.filter(({ rest }) => !/\bWHERE t\.status = 'blocked' AND /.test(rest))).toEqual([]);
  });

  it("on SQLite by reopen alone", () => {
    const places = sourcesIn("src/lib/store/sqlite").flatMap(({ path, text }) =>
      [...text.matchAll(/\bended_at: null\b|UPDATE tasks SET[^;`"]*\bended_at = NULL/g)].map(() => path),
    );
    // In tasks.ts and task-rows.ts it is the row of a new task.
    expect(places.map((path) => path.replace(/^.*\//, "")).sort()).toEqual(["retries.ts", "task-rows.ts", "tasks.ts"]);
  });
});
