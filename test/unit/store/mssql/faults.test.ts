import { describe, expect, it } from "@jest/globals";
import mssql from "mssql";
import { isLostRace, isRefusal, isTransient, LostRace } from "../../../../src/lib/store/mssql/faults.ts";

/** Errors of the server and the driver, as the driver throws them. */

type Kind = "race" | "transient" | "refusal" | "defect";

function kindOf(error: unknown): Kind {
  const kinds = { race: isLostRace(error), refusal: isRefusal(error), transient: isTransient(error) };
  const [kind, ...more] = (["race", "refusal", "transient"] as const).filter((name) => kinds[name]);
  expect(more).toEqual([]);
  return kind ?? "defect";
}

/** What a batch is answered with. */
function answered(number: number, message = "something"): Error {
  return Object.assign(new mssql.RequestError(message, "EREQUEST"), { number });
}

/** What a connection fails with; a login's error has its number since pool-config.ts puts it there. */
function unconnected(cause: Error, more: { code?: string; number?: number } = {}): Error {
  return new mssql.ConnectionError(Object.assign(cause, more));
}

describe("an error", () => {
  it.each<[string, Kind, Error]>([
    ["a lost race", "race", new LostRace()],
    ["a unique constraint", "race", answered(2627)],
    ["a unique index", "race", answered(2601)],
    ["a referenced row", "race", answered(547, 'The INSERT statement conflicted with the FOREIGN KEY constraint "x".')],
    [
      "a row that is referenced",
      "race",
      answered(547, 'The DELETE statement conflicted with the REFERENCE constraint "x".'),
    ],
    ["a check", "defect", answered(547, 'The INSERT statement conflicted with the CHECK constraint "x".')],
    ["a check on the TDS server", "defect", answered(547, 'new row for relation "x" violates check constraint "y"')],
    ["a deadlock", "transient", answered(1205)],
    ["a lock timeout", "transient", answered(1222)],
    ...[40613, 40197, 40501, 49918, 49919, 49920, 4060, 10928, 10929].map((number): [string, Kind, Error] => [
      `Azure's ${number}`,
      "transient",
      answered(number),
    ]),
    ["a lost connection", "transient", new mssql.RequestError("Connection lost", "ESOCKET")],
    ["a closed connection", "transient", new mssql.ConnectionError("Connection is closed.", "ECONNCLOSED")],
    ["a timeout", "transient", new mssql.RequestError("Timeout", "ETIMEOUT")],
    ["a database that moves, on login", "transient", unconnected(new Error("x"), { code: "ELOGIN", number: 40613 })],
    ["no name for the server", "transient", unconnected(new Error("getaddrinfo"), { code: "ESOCKET" })],
    ["no token", "transient", unconnected(new AggregateError([new Error("EFEDAUTH")]))],
    ["a wrong password", "refusal", unconnected(new Error("Login failed"), { code: "ELOGIN", number: 18456 })],
    ["the firewall", "refusal", unconnected(new Error("x"), { code: "ELOGIN", number: 40615 })],
    ["a missing permission", "refusal", answered(229)],
    ["a database that is full", "refusal", answered(40544)],
    ["a file group that is full", "refusal", answered(1105)],
    ["a log that is full", "refusal", answered(9002)],
    ["a database that is read-only", "refusal", answered(3906)],
    ["a page that cannot be read", "refusal", answered(824)],
    ["no memory for a query", "transient", answered(8645)],
    ["a session that held too many locks", "transient", answered(40550)],
    ["a syntax error", "defect", answered(102)],
    ["a number that does not fit", "defect", answered(8115)],
    ["a bug", "defect", new TypeError("x is not a function")],
  ])("%s is a %s", (_, kind, error) => expect(kindOf(error)).toBe(kind));

  it("that is none is a defect", () => {
    for (const error of [undefined, null, "40613", { number: 40613 }]) expect(kindOf(error)).toBe("defect");
  });
});
