import { describe, expect, it } from "@jest/globals";
import { BadCron, dueTimes } from "../../../src/lib/base/cron.ts";

const at = (text: string) => Date.parse(text);
const NOW = at("2026-01-01T00:00:00Z");

/** The due times after a moment, as UTC without seconds. */
function following(cron: string, timezone: string, from: string, count: number): string[] {
  const due = dueTimes(cron, timezone, NOW);
  const found: string[] = [];
  for (let time = due.after(at(from)); time !== undefined && found.length < count; time = due.after(time)) {
    found.push(new Date(time).toISOString().slice(0, 16));
  }
  return found;
}

describe("cron expressions of schedules", () => {
  it.each<[string, string, string, string[]]>([
    ["*/15 9-10 * * MON-FRI", "UTC", "2026-01-02T10:30:00Z", ["2026-01-02T10:45", "2026-01-05T09:00"]],
    ["0 3 * * *", "Europe/Berlin", "2026-01-01T12:00:00Z", ["2026-01-02T02:00", "2026-01-03T02:00"]],
    ["0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", ["2026-01-04T00:00", "2026-01-11T00:00"]],
    ["0 0 * * 0", "UTC", "2026-01-01T00:00:00Z", ["2026-01-04T00:00", "2026-01-11T00:00"]],
    // Both days are given: one of them has to match.
    ["0 0 13 * 5", "UTC", "2026-01-08T00:00:00Z", ["2026-01-09T00:00", "2026-01-13T00:00", "2026-01-16T00:00"]],
    ["0 0 13 * *", "UTC", "2026-01-08T00:00:00Z", ["2026-01-13T00:00", "2026-02-13T00:00"]],
    ["0 0 29 2 *", "UTC", "2026-01-08T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]],
    ["0 0 31 * *", "UTC", "2026-03-31T00:00:00Z", ["2026-05-31T00:00", "2026-07-31T00:00"]],
  ])("%s in %s after %s", (cron, timezone, from, expected) => {
    expect(following(cron, timezone, from, expected.length)).toEqual(expected);
  });

  // Berlin: 2026-03-29 has no 02:00 to 02:59 (01:00 UTC is 03:00), 2026-10-25 has it twice (00:00 to 01:59 UTC).
  it.each<[string, string, string, string[]]>([
    [
      "a time that is left out comes at the first minute after the gap",
      "30 2 * * *",
      "2026-03-28T12:00:00Z",
      ["2026-03-29T01:00", "2026-03-30T00:30"],
    ],
    [
      "times of a list that are left out come once",
      "0,30 2 * * *",
      "2026-03-28T12:00:00Z",
      ["2026-03-29T01:00", "2026-03-30T00:00"],
    ],
    [
      "a time that comes twice is due at the first",
      "30 2 * * *",
      "2026-10-24T12:00:00Z",
      ["2026-10-25T00:30", "2026-10-26T01:30"],
    ],
    [
      "times of a list that come twice are due at the first",
      "0,30 2 * * *",
      "2026-10-24T12:00:00Z",
      ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-26T01:00"],
    ],
    [
      "every half hour passes over the gap",
      "*/30 * * * *",
      "2026-03-29T00:10:00Z",
      ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"],
    ],
    [
      "every half hour goes on through the repeated hour",
      "*/30 * * * *",
      "2026-10-25T00:10:00Z",
      ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"],
    ],
    [
      "with a step in the hours, each time that exists",
      "30 */2 * * *",
      "2026-10-24T22:40:00Z",
      ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T03:30"],
    ],
  ])("clock changes: %s (%s)", (_says, cron, from, expected) => {
    expect(following(cron, "Europe/Berlin", from, expected.length)).toEqual(expected);
  });

  it("a zone whose clock changes by half an hour", () => {
    expect(following("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2)).toEqual([
      "2026-04-04T14:45",
      "2026-04-05T15:15",
    ]);
  });

  it.each<[string, string, BadCron["field"], RegExp]>([
    ["* * * *", "UTC", "cron", /five fields/],
    ["0 0 3 * * *", "UTC", "cron", /five fields/],
    ["@daily", "UTC", "cron", /five fields/],
    ["60 * * * *", "UTC", "cron", /minute: 60/],
    ["0 24 * * *", "UTC", "cron", /hour: 24/],
    ["0 0 0 * *", "UTC", "cron", /not a cron/],
    ["0 0 L * *", "UTC", "cron", /"L"/],
    ["0 0 15W * *", "UTC", "cron", /"15W"/],
    ["0 0 * * MON#2", "UTC", "cron", /"MON#2"/],
    ["0 0 ? * *", "UTC", "cron", /"\?"/],
    ["*/0 * * * *", "UTC", "cron", /not a cron/],
    ["0 0 31 2 *", "UTC", "cron", /never due/],
    ["0 0 31 4,6,9,11 *", "Europe/Berlin", "cron", /never due/],
    ["0 0 * * *", "Europe/Berlim", "timezone", /IANA/],
    ["0 0 * * *", "+02:00", "timezone", /IANA/],
  ])("%j in %j is refused", (cron, timezone, field, message) => {
    const make = () => dueTimes(cron, timezone, NOW);
    expect(make).toThrow(BadCron);
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ field }));
  });

  it.each<[string, string, string, string]>([
    ["* * * * *", "2025-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "2026-01-01T00:00:00Z"],
    ["0 3 * * *", "2025-12-31T03:00:00Z", "2026-01-01T02:59:00Z", "2025-12-31T03:00:00Z"],
    ["0 3 * * *", "2025-12-01T03:00:00Z", "2026-01-01T03:00:00Z", "2026-01-01T03:00:00Z"],
    ["0 0 1 1 *", "2020-01-01T00:00:00Z", "2025-12-31T00:00:00Z", "2025-01-01T00:00:00Z"],
    ["0 0 29 2 *", "2020-02-29T00:00:00Z", "2027-01-01T00:00:00Z", "2024-02-29T00:00:00Z"],
  ])("the newest of %s from %s until %s", (cron, since, until, expected) => {
    expect(dueTimes(cron, "UTC", NOW).newest(at(since), at(until))).toBe(at(expected));
  });
});
