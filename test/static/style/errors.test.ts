import { describe, expect, it } from "@jest/globals";
import { ERRORS } from "../../../src/lib/model/errors.ts";
import { readSource, sourcesIn, withoutComments } from "./sources.ts";

/** The closed set of errors.ts, its page in the docs, and the code that throws them. */

interface Documented {
  code: string;
  status: number;
  when: string;
  remedy: string;
}

const page = readSource("docs/errors.md").text;

/** Rows of the table: | `CODE` | status | when | what to do | */
const documented: Documented[] = page.split("\n").flatMap((line) => {
  const [, code = "", status = "", when = "", remedy = ""] =
    /^\| `([A-Z_]+)` \| (\d{3}) \| ([^|]*) \| ([^|]*) \|$/.exec(line) ?? [];
  return code === "" ? [] : [{ code, status: Number(status), when, remedy }];
});

/** What answers. The client and the command line only act on codes, also on those that a newer server may send. */
const code = sourcesIn("src")
  .filter(({ path }) => path !== "src/lib/model/errors.ts" && !/^src\/(?:client|cli)\//.test(path))
  .map(({ text }) => withoutComments(text))
  .join("\n");

const isUsed = (name: string) => new RegExp(`["']${name}["']`).test(code);
const isReserved = ({ when }: Documented) => when.startsWith("Reserved:");

describe("errors", () => {
  it("are documented, each once and in the order of errors.ts", () => {
    expect(documented.map((row) => row.code)).toEqual(Object.keys(ERRORS));
  });

  it("are documented with their status", () => {
    const statuses = Object.entries(ERRORS).map(([name, { status }]) => [name, status]);
    expect(documented.map((row) => [row.code, row.status])).toEqual(statuses);
  });

  it("say when they come and what to do", () => {
    const thin = documented.filter((row) => row.when.trim().length < 20 || row.remedy.trim().length < 20);
    expect(thin).toEqual([]);
  });

  it("are used, or said to be reserved for what is not there yet", () => {
    const unused = documented.filter((row) => !isUsed(row.code) && !isReserved(row)).map((row) => row.code);
    expect(unused).toEqual([]);
  });

  it("are no longer called reserved once they are used", () => {
    const used = documented.filter((row) => isUsed(row.code) && isReserved(row)).map((row) => row.code);
    expect(used).toEqual([]);
  });

  it("are the only ones thrown: no layer makes up a code", () => {
    const thrown = [...code.matchAll(/new AgentCommunicationError\(\s*"([^"]+)"/g)].map(([, name = ""]) => name);
    expect(thrown.length).toBeGreaterThan(20);
    expect(thrown.filter((name) => !Object.hasOwn(ERRORS, name))).toEqual([]);
  });
});
