import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../../src/lib/model/clock.ts";
import { Connection } from "../../../../src/lib/store/sqlite/connection.ts";
import { actingAs } from "../../../../src/lib/trace/call-context.ts";
import { CALM_SETTINGS } from "../../../contract/store-under-test.ts";

/** Which calls share a commit, and who pays for their time. */

let connection: Connection;
beforeEach(() => {
  connection = new Connection({ file: ":memory:", settings: CALM_SETTINGS, clock: systemClock });
});
afterEach(() => connection.close());

/** Keeps the processor busy. */
function work(milliseconds: number): void {
  const { user, system } = process.threadCpuUsage();
  const used = () => {
    const now = process.threadCpuUsage();
    return (now.user + now.system - user - system) / 1_000;
  };
  while (used() < milliseconds);
}

describe("calls that come together", () => {
  it("are committed before those that come behind 10 ms of work", async () => {
    const seen: string[] = [];
    const write = (name: string, milliseconds: number) =>
      connection
        .write(() => {
          seen.push(name);
          work(milliseconds);
        })
        .then(() => seen.push(`${name} is answered`));
    await Promise.all([write("short", 0), write("long", 25), write("late", 0)]);
    expect(seen).toEqual(["short", "long", "short is answered", "long is answered", "late", "late is answered"]);
  });

  it("go before the second of those that are known to take long", async () => {
    const seen: string[] = [];
    const write = (name: string, isLong: boolean) => connection.write(() => seen.push(name), isLong);
    await Promise.all([write("one", true), write("two", true), write("short", false), write("three", true)]);
    expect(seen).toEqual(["one", "short", "two", "three"]);
  });

  it("cost each caller its own time, what follows and what it reads included", async () => {
    const spent: Record<string, number> = {};
    const call = (actor: string, run: () => Promise<unknown>) => {
      const spend = (milliseconds: number) => {
        spent[actor] = (spent[actor] ?? 0) + milliseconds;
      };
      return actingAs({ actor, credential: "token", spend }, run);
    };
    await Promise.all([
      call("a", () => connection.write((transaction) => transaction.goOn(() => work(30)))),
      call("b", () => connection.write(() => work(60))),
      call("c", () => connection.read(() => work(40))),
      call("d", () => connection.write(() => undefined)),
    ]);
    expect(spent.a).toBeGreaterThan(20);
    expect(spent.b).toBeGreaterThan(50);
    expect(spent.c).toBeGreaterThan(30);
    expect(spent.d).toBeLessThan(10);
  });
});
