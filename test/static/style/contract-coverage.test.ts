import { describe, expect, it } from "@jest/globals";
import { readSource, sourcesIn, withoutComments } from "./sources.ts";
import { storeVerbs } from "./store-verbs.ts";

/** A verb without a contract test does not exist. */

const verbs = storeVerbs();

const suites = sourcesIn("test/contract");
const contract = suites.map(({ text }) => withoutComments(text)).join("\n");

describe("the contract suite", () => {
  it("is about the verbs of store.ts", () => {
    expect(verbs.length).toBeGreaterThan(30);
    expect(verbs).toEqual(expect.arrayContaining(["sendMessages", "claimMessages", "completeTask", "sweep", "close"]));
  });

  it.each(verbs)("calls %s", (verb) => {
    expect(contract).toMatch(new RegExp(`\\.${verb}\\(`));
  });

  it("runs every suite that there is against every store", () => {
    const declared = suites.flatMap(({ text }) =>
      [...text.matchAll(/export function (\w+Contract)\(/g)].map(([, name]) => name),
    );
    const listed = readSource("test/contract/contracts.ts").text;
    expect(declared.length).toBeGreaterThan(10);
    expect(declared.filter((name) => !new RegExp(`^ {2}${name},$`, "m").test(listed))).toEqual([]);
    for (const store of ["sqlite", "mssql.server"]) {
      const { text } = readSource(`test/contract/${store}.test.ts`);
      expect(text).toMatch(/for \(const contract of contracts\) contract\(open\w+UnderTest\);/);
    }
  });
});
