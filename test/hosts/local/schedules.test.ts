import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { parseSchedule } from "../../../src/lib/base/schedule.ts";
import { readConfig } from "../../../src/lib/config/config.ts";

/** Schedules mean what they mean to the library of the Functions host: what it was asked, and what it said. */

const row = z.union([z.tuple([z.string()]), z.tuple([z.string(), z.string(), z.array(z.string())])]);
const { rows } = z
  .object({ rows: z.array(row) })
  .parse(JSON.parse(readFileSync(new URL("schedules.json", import.meta.url), "utf8")));

/** The library was asked for times before 2060. */
const END = Date.UTC(2060, 0, 1);

function times(schedule: string, from: string, count: number): string[] {
  const { next } = parseSchedule(schedule);
  const found: string[] = [];
  let time = next(Date.parse(from));
  while (time !== undefined && time < END && found.length < count) {
    found.push(new Date(time).toISOString().slice(0, 19));
    time = next(time);
  }
  return found;
}

describe("NCRONTAB", () => {
  const taken = rows.flatMap(([schedule, from, expected]) =>
    from === undefined || expected === undefined ? [] : [{ schedule, from, expected }],
  );
  const refused = rows.filter((each) => each.length === 1).map(([schedule]) => schedule);

  it("has a table of both kinds", () => {
    expect([taken.length > 100, refused.length > 50]).toEqual([true, true]);
  });

  it("the tests run in a zone that is not UTC, or local time would pass for it", () => {
    expect(new Date(2026, 0, 1).getTimezoneOffset() % 60).not.toBe(0);
  });

  it.each(taken)("$schedule comes at the times of the host's library", ({ schedule, from, expected }) => {
    expect(times(schedule, from, 3)).toEqual(expected);
  });

  it.each(refused)("%j is refused, by name at the start of either host", (schedule) => {
    expect(() => parseSchedule(schedule)).toThrow();
    for (const name of ["AGENT_SWEEP_SCHEDULE", "AGENT_MAINTENANCE_SCHEDULE"]) {
      for (const underFunctions of [true, false]) {
        const read = () => readConfig({ [name]: schedule, AGENT_AUTH_MODE: "required" }, { underFunctions });
        expect(read).toThrow(`${name}: "${schedule}" is not an NCRONTAB schedule`);
      }
    }
  });

  it("tells the last time as well: no later than asked, and none between it and then", () => {
    for (const { schedule, from } of taken) {
      const { next, last } = parseSchedule(schedule);
      const time = Date.parse(from);
      const before = last(time);
      if (before === undefined) expect(next(time)).toBeUndefined();
      else
        expect([schedule, before <= time, next(before - 1), (next(before) ?? END) > time]).toEqual([
          schedule,
          true,
          before,
          true,
        ]);
    }
  });

  it("is in UTC through a change of clocks: every hour has its run", () => {
    // 2026-04-04T14:00Z and 2026-09-26T14:00Z are when the clocks of the tests' zone change.
    for (const from of ["2026-04-04T12:30:00Z", "2026-09-26T12:30:00Z"]) {
      const hours = times("0 0 * * * *", from, 4).map((time) => time.slice(11, 16));
      expect(hours).toEqual(["13:00", "14:00", "15:00", "16:00"]);
    }
  });
});
