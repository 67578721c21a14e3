import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { packageOf } from "../../../scripts/package/bundle.ts";
import { ROOT, readSource } from "../../static/style/sources.ts";
import { type MadePackage, makePackage } from "./made-package.ts";

/** What is deployed is all that runs, and nothing else. */

let made: MadePackage;

beforeAll(async () => {
  made = await makePackage();
});
afterAll(() => made.remove());

const text = (path: string) => Buffer.from(made.files[path] ?? []).toString();

describe("the package", () => {
  it("has the bundle, the migrations and procedures, what the host reads, and licenses", () => {
    const known =
      /^(?:main\.js|[\w-]+-[A-Z0-9]{8}\.js|lib\/store\/(?:(?:mssql|sqlite)\/migrations\/\d{4}_\w+|mssql\/procedures\/(?:parts\/)?[a-z-]+)\.sql)$/;
    const rest = Object.keys(made.files).filter((path) => !known.test(path));
    expect(rest.sort()).toEqual(["LICENSE", "host.json", "package.json", "third-party-licenses.txt"]);
    expect(Object.keys(made.files)).toContain("main.js");
  });

  it("says where it starts, and has nothing to install", () => {
    const described = JSON.parse(text("package.json"));
    const { name, version } = JSON.parse(readSource("package.json").text);
    expect(described).toMatchObject({ name, version, type: "module", main: "main.js" });
    expect(described).not.toHaveProperty("dependencies");
    expect(described).not.toHaveProperty("scripts");
  });

  it("has each engine's migrations, the procedures and the host's settings as they are in the repository", () => {
    const folders = ["mssql/migrations", "mssql/procedures", "mssql/procedures/parts", "sqlite/migrations"].map(
      (name) => `lib/store/${name}`,
    );
    const paths = folders.flatMap((folder) =>
      readdirSync(join(ROOT, "src", folder)).flatMap((file) => (file.endsWith(".sql") ? [`${folder}/${file}`] : [])),
    );
    expect(paths.length).toBeGreaterThan(1);
    for (const path of paths) expect([path, text(path)]).toEqual([path, readSource(`src/${path}`).text]);
    expect(text("host.json")).toBe(readSource("host.json").text);
  });

  it("names the license of every package in it", () => {
    const packages = new Set([...made.inputs.values()].flat().map(packageOf));
    packages.delete(undefined);
    expect(packages.size).toBeGreaterThan(10);
    const licenses = text("third-party-licenses.txt");
    for (const name of packages) expect(licenses).toMatch(new RegExp(`^${name} \\d`, "m"));
  });

  it("names no path of the machine that made it", () => {
    const telling = Object.keys(made.files).filter((path) => text(path).includes(ROOT.replace(/\/$/, "")));
    expect(telling).toEqual([]);
  });

  it("stays small enough to be fetched in a moment", () => {
    expect(made.archive.byteLength).toBeLessThan(2_000_000);
  });

  it("is the same, byte by byte, when it is made again", async () => {
    const again = await makePackage();
    again.remove();
    expect(Buffer.compare(again.archive, made.archive)).toBe(0);
    expect(existsSync(again.folder)).toBe(false);
  });
});
