import { describe, expect, it } from "@jest/globals";
import { keptFiles, places, readSource, sourcesIn } from "./sources.ts";

/** Roots under which a path can only be one of the machine it was written on. /home/site is where Azure puts an app. */
const MACHINE_ROOTS = ["home(?!/site\\b)", "root", "tmp", "mnt", "work", "workspace", "workspaces", "Users"];
const MACHINE_PATH = new RegExp(`(?<![\\w.~*)\\]}-])/(?:${MACHINE_ROOTS.join("|")})/[\\w.]|[A-Z]:\\\\\\\\?Users\\\\`);

const kept = keptFiles();
const texts = kept
  .filter((path) => /\.(?:ts|mjs|js|json|md|sql|yaml|yml|bicep|sh|example)$|^\.[a-z]+\/run$|^\.[a-z]+$/.test(path))
  .map(readSource);

describe("the repository", () => {
  it("is all looked at", () => {
    expect(texts.length).toBeGreaterThan(100);
  });

  it("knows a machine path when it sees one", () => {
    const slash = "/";
    expect(MACHINE_PATH.test(`see ${slash}home${slash}ann/x`)).toBe(true);
    expect(MACHINE_PATH.test(`"${slash}tmp${slash}db"`)).toBe(true);
    expect(MACHINE_PATH.test(`${slash}home${slash}site/wwwroot`)).toBe(false);
    expect(MACHINE_PATH.test("https://example.org/home/page")).toBe(false);
  });

  it("names no path of a machine", () => {
    expect(places(texts, MACHINE_PATH)).toEqual([]);
  });

  it("keeps no secret, database, build or installed package", () => {
    const odd = kept.filter((path) =>
      /(?:^|\/)(?:node_modules|dist|\.data)\/|\.db(?:-wal|-shm)?$|local\.settings\.json$/.test(path),
    );
    expect(odd).toEqual([]);
  });

  it("installs from whatever registry the user has: the lock file names none", () => {
    const lock = readSource("package-lock.json");
    expect(lock.text).toContain('"integrity"');
    expect(places([lock], /"resolved"/)).toEqual([]);
  });
});

describe("tests", () => {
  const tests = sourcesIn("test");

  it("all run: none is skipped, put off or run alone", () => {
    expect(tests.length).toBeGreaterThan(20);
    expect(
      places(
        tests,
        /\b(?:it|test|describe)\s*\.\s*(?:only|skip|todo|failing)\b|(?<![\w.])[xf](?:it|test|describe)\s*[.(]/,
      ),
    ).toEqual([]);
  });

  it("do not stand in for our own modules", () => {
    expect(places(tests, /\bjest\s*\.\s*(?:mock|unstable_mockModule|spyOn)\b/)).toEqual([]);
  });
});
