import { describe, expect, it } from "@jest/globals";
import { places, readSource, type Source, sourcesIn, withoutComments } from "./sources.ts";

/** What outsiders read is plain English: a noun says who is meant. Comments are not held to it, nor is the T-SQL of the engines. */
const VAGUE = /\b(?:nobody|somebody|anybody|everybody|whoever|whom|beside|likewise)\b/i;

/** A quoted text of one line. */
const QUOTED = /"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`/g;

/** Only the sentences of a source, each on its line. */
function sentencesOf({ path, text }: Source): Source {
  const lines = withoutComments(text).split("\n");
  return {
    path,
    text: lines.map((line) => (line.match(QUOTED) ?? []).filter((quoted) => quoted.includes(" ")).join(" ")).join("\n"),
  };
}

describe("what outsiders read", () => {
  const sources = sourcesIn("src").filter(({ path }) => !path.startsWith("src/lib/store/"));

  it("is found: the scanner sees a refusal, a summary and a help text that we know of", () => {
    const all = sources.map((source) => sentencesOf(source).text).join("\n");
    expect(all).toContain("The body is not valid JSON.");
    expect(all).toContain("Reads a message");
    expect(all).toContain("show a task with its result");
  });

  it("names whom it means in texts of the code", () => {
    expect(places(sources.map(sentencesOf), VAGUE)).toEqual([]);
  });

  it("names whom it means in README, CHANGELOG and docs", () => {
    const pages = [readSource("README.md"), readSource("CHANGELOG.md"), ...sourcesIn("docs", ".md")];
    expect(pages.length).toBeGreaterThan(15);
    expect(places(pages, VAGUE)).toEqual([]);
  });
});
