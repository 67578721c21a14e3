import { describe, expect, it } from "@jest/globals";
import { type Import, importsOf, sourcesIn } from "./sources.ts";

/** Imports point one way: functions → domain → store.ts ← engines; the client's core runs in a browser. */

const imports: readonly Import[] = sourcesIn("src").flatMap(importsOf);
const show = (found: readonly Import[]) => found.map(({ from, to }) => `${from} imports ${to}`);
const isOurs = (path: string) => path.startsWith("src/");

/** The rooms of src/lib, each of which imports only those before it; ARCHITECTURE.md says what each is for. */
const ROOMS = [
  "model",
  "trace",
  "base",
  "config",
  "security",
  "store",
  "domain",
  "gates",
  "telemetry",
  "http",
  "services.ts",
] as const;

/** Imports that go the other way, as types, each with its reason. */
const BACK: readonly { from: RegExp; to: string; reason: string }[] = [
  {
    from: /^src\/lib\/config\/config\.ts$/,
    to: "src/lib/store/store.ts",
    reason: "the settings of a store are the store's to name",
  },
  {
    from: /^src\/lib\/http\//,
    to: "src/lib/services.ts",
    reason: "a handler is given the services, which are put together last",
  },
];

const roomOf = (path: string): number => ROOMS.findIndex((room) => path.startsWith(`src/lib/${room}`));

/** Rooms and what they may not import beside that, at run time or as a type. */
const FORBIDDEN: readonly { name: string; from: RegExp; to: RegExp; except?: RegExp }[] = [
  {
    name: "the library knows no host, client or command line",
    from: /^src\/lib\//,
    to: /^src\/(?:functions|mcp|local|client|cli|index)/,
  },
  {
    name: "the client imports the model alone",
    from: /^src\/client\//,
    to: /^src\/(?!client\/|lib\/model\/)/,
    // Types that are inferred from the routes, and an entry of its own for who wants OpenTelemetry.
    except: /^src\/client\/(?:route-types|telemetry)\.ts$/,
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
    from: /^src\/lib\/(?!store\/|services)/,
    to: /^src\/lib\/store\/(?!store\.ts$)/,
  },
  {
    name: "triggers parse, call and reply: no store verbs, no engine",
    from: /^src\/functions\/(?!main\.ts$|index\.ts$)/,
    to: /^src\/lib\/store\/(?!open-store\.ts$)/,
  },
  {
    name: "routes know no face but by the table of the faces",
    from: /^src\/functions\/(?!faces\.ts$)/,
    to: /^src\/mcp\//,
  },
  {
    name: "MCP calls routes: no host, no store, no domain",
    from: /^src\/mcp\//,
    to: /^src\/(?:local\/|lib\/(?:store|domain)\/)/,
  },
  {
    name: "the SDK of MCP is loaded with the first request by MCP",
    from: /^src\/(?!mcp\/)|^src\/mcp\/face\.ts$/,
    to: /^@modelcontextprotocol\//,
  },
  { name: "hosts do not import each other", from: /^src\/functions\//, to: /^src\/local\// },
  {
    name: "the client knows the contract of the operations, and neither their handlers nor the server's HTTP",
    from: /^src\/client\//,
    to: /^src\/(?:functions\/|mcp\/|local\/|cli\/|lib\/(?:http|store)\/|lib\/services\.ts)/,
  },
  {
    name: "the command line goes through the client",
    from: /^src\/cli\//,
    to: /^src\/(?:functions|mcp|local|lib\/store)\//,
    // Copying opens both databases itself: no service may serve them meanwhile. The first admin is made in the database itself:
    // a service that asks for credentials would let no caller in who could make it.
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

  it("point one way between the rooms of the library", () => {
    expect(
      imports.filter(({ from }) => from.startsWith("src/lib/") && roomOf(from) === -1).map(({ from }) => from),
    ).toEqual([]);
    const up = imports.filter(({ from, to }) => roomOf(to) > roomOf(from) && from.startsWith("src/lib/"));
    const excused = (one: Import) => BACK.find(({ from, to }) => from.test(one.from) && to === one.to);
    expect(show(up.filter((one) => excused(one) === undefined || !one.typeOnly))).toEqual([]);
    expect(BACK.filter((one) => !up.some((import_) => excused(import_) === one))).toEqual([]);
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
