import { describe, expect, it } from "@jest/globals";
import { type Import, importsOf, sourcesIn } from "./sources.ts";

/** Imports point one way: functions → domain → store.ts ← engines; the client's core runs in a browser. */

const imports: readonly Import[] = sourcesIn("src").flatMap(importsOf);
const show = (found: readonly Import[]) => found.map(({ from, to }) => `${from} imports ${to}`);
const isOurs = (path: string) => path.startsWith("src/");

/** Rooms and what they may not import, at run time or as a type. */
const FORBIDDEN: readonly { name: string; from: RegExp; to: RegExp; except?: RegExp }[] = [
  {
    name: "the library knows no host, client or command line",
    from: /^src\/lib\//,
    to: /^src\/(?:functions|local|client|cli|index)/,
  },
  {
    name: "only open-store.ts imports an engine",
    from: /^src\/(?!lib\/store\/(?:sqlite|mssql)\/)/,
    to: /^src\/lib\/store\/(?:sqlite|mssql)\//,
    except: /^src\/lib\/store\/open-store\.ts$/,
  },
  { name: "the embedded engine does not import its twin", from: /^src\/lib\/store\/sqlite\//, to: /\/mssql\// },
  { name: "the Azure SQL engine does not import its twin", from: /^src\/lib\/store\/mssql\//, to: /\/sqlite\// },
  {
    name: "the domain knows the seam, not who opens it",
    from: /^src\/lib\/(?!store\/)/,
    to: /^src\/lib\/store\/(?!store\.ts$)/,
  },
  {
    name: "the domain knows nothing of HTTP",
    from: /^src\/lib\/(?:agents|channels|messages|tasks|statistics|store)\//,
    to: /^src\/lib\/(?:http\/|services\.ts)/,
  },
  {
    name: "an engine knows the vocabulary, not the rules above it",
    from: /^src\/lib\/store\//,
    to: /\/(?:agent-registry|message-queue-manager|dead-letter-office|message-type-registry|supervisor-coordinator|system-monitor|channel-registry|channel-policy|audit-trail|refusal-counter)\.ts$/,
  },
  {
    name: "triggers parse, call and reply: no store verbs, no engine",
    from: /^src\/functions\/(?!main\.ts$|index\.ts$)/,
    to: /^src\/lib\/store\/(?!open-store\.ts$)/,
  },
  { name: "hosts do not import each other", from: /^src\/functions\//, to: /^src\/local\// },
  {
    name: "the client knows the contract of the operations, and neither their handlers nor the server's HTTP",
    from: /^src\/client\//,
    to: /^src\/(?:functions\/|local\/|cli\/|lib\/(?:http|store)\/|lib\/services\.ts)/,
  },
  {
    name: "the command line goes through the client",
    from: /^src\/cli\//,
    to: /^src\/(?:functions|local|lib\/store)\//,
    // Copying opens both databases itself: no service may serve them meanwhile. The first admin is made in the database itself:
    // a service that asks for credentials would let nobody in who could make it.
    except: /^src\/cli\/(?:copy|bootstrap)-command\.ts$/,
  },
];

describe("imports", () => {
  it("are all found: the scanner sees the imports that we know of", () => {
    expect(imports.length).toBeGreaterThan(200);
    expect(show(imports)).toContain("src/lib/store/open-store.ts imports src/lib/store/sqlite/open.ts");
    expect(show(imports)).toContain("src/lib/store/sqlite/connection.ts imports node:sqlite");
  });

  it.each(FORBIDDEN)("$name", ({ from, to, except }) => {
    const wrong = imports.filter((one) => from.test(one.from) && to.test(one.to) && !except?.test(one.from));
    expect(show(wrong)).toEqual([]);
  });

  it("name the file they mean, with its ending, and it exists", () => {
    const paths = new Set(sourcesIn("src").map((source) => source.path));
    expect(show(imports.filter(({ to }) => isOurs(to) && !paths.has(to) && !to.endsWith(".json")))).toEqual([]);
  });

  it("reach SQLite only inside its engine", () => {
    const wrong = imports.filter(({ from, to }) => to === "node:sqlite" && !from.startsWith("src/lib/store/sqlite/"));
    expect(show(wrong)).toEqual([]);
  });

  it("reach the driver of SQL Server only inside its engine", () => {
    const wrong = imports.filter(
      ({ from, to }) => /^(?:mssql|tedious)$/.test(to) && !from.startsWith("src/lib/store/mssql/"),
    );
    expect(show(wrong)).toEqual([]);
  });

  it("leave store.ts without anything at run time", () => {
    expect(show(imports.filter(({ from, typeOnly }) => from === "src/lib/store/store.ts" && !typeOnly))).toEqual([]);
  });

  it("do not go round in circles at run time", () => {
    expect(circles(imports.filter(({ to, typeOnly, lazy }) => isOurs(to) && !typeOnly && !lazy))).toEqual([]);
  });
});

describe("the client's core", () => {
  const reached = reachable("src/client/index.ts");

  it("is more than one file", () => {
    expect([...reached].filter((path) => path.startsWith("src/client/")).length).toBeGreaterThan(5);
  });

  it("reaches no Node module, so that it runs in a browser", () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => reached.has(from) && !typeOnly && to.startsWith("node:"));
    expect(show(wrong)).toEqual([]);
  });

  it("reaches nothing of the server: no store, no route handler, no schema library", () => {
    const wrong = imports.filter(
      ({ from, to, typeOnly }) =>
        reached.has(from) && !typeOnly && (/^src\/(?:functions|local|cli|lib\/store)\//.test(to) || to === "zod"),
    );
    expect(show(wrong)).toEqual([]);
  });
});

/** Files that are loaded when `entry` is. */
function reachable(entry: string): Set<string> {
  const seen = new Set([entry]);
  for (const path of seen) {
    for (const { from, to, typeOnly } of imports) if (from === path && !typeOnly && isOurs(to)) seen.add(to);
  }
  return seen;
}

/** Import circles, each as the files along it; found by taking away, again and again, files that import nothing more. */
function circles(edges: readonly Import[]): string[] {
  let left = edges;
  for (let round = 0; round <= edges.length; round++) {
    const importing = new Set(left.map(({ from }) => from));
    const next = left.filter(({ to }) => importing.has(to));
    if (next.length === left.length) break;
    left = next;
  }
  return show(left);
}
