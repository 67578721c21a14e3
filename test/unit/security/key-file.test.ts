import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { KeyFile } from "../../../src/lib/security/key-file.ts";
import { runFile } from "../../support/run-process.ts";

/** Encryption keys in a file: made on first use, for its owner only, by whoever comes first. */

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

let folder: string;
let path: string;
let clock: OffsetClock;
let keys: KeyFile;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-keys-"));
  path = join(folder, "sub", "keys.jsonl");
  clock = new OffsetClock();
  keys = open();
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** As another process would. */
const open = () => new KeyFile(path, clock);

async function reason(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => undefined,
    (refused: unknown) => refused,
  );
  if (!isAgentCommunicationError(error, "KEY_UNAVAILABLE")) throw new Error(`not KEY_UNAVAILABLE: ${String(error)}`);
  return error.message;
}

const lines = async () => (await readFile(path, "utf8")).trimEnd().split("\n");

describe("a key file", () => {
  it("is made on first use, with its folder, for its owner only, and nothing is left beside it", async () => {
    const key = await keys.current();
    expect(key.bytes).toHaveLength(32);
    expect(key.version).toMatch(/^[0-9a-f]{32}$/);
    const { mode } = await stat(path);
    if (process.platform !== "win32") expect(mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, "sub"))).toEqual(["keys.jsonl"]);
    expect(await open().current()).toEqual(key);
    expect(await open().find(key.version)).toEqual(key);
  });

  it("is not made by who only looks for a version", async () => {
    expect(await keys.find("0".repeat(32))).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it("is one and the same for processes that make it at the same time", async () => {
    await Promise.all(Array.from({ length: 20 }, () => open().current())).then((all) => {
      expect(new Set(all.map(({ version }) => version)).size).toBe(1);
    });
    await rm(path);
    const script = join(folder, "make.ts");
    const modules = new URL("../../../src/lib/", import.meta.url).href;
    await writeFile(
      script,
      `import { KeyFile } from "${modules}security/key-file.ts";
       import { systemClock } from "${modules}model/clock.ts";
       const { version, bytes } = await new KeyFile(${JSON.stringify(path)}, systemClock).current();
       console.log(version, Buffer.from(bytes).toString("hex"));`,
    );
    const runs = await Promise.all(Array.from({ length: 4 }, () => runFile(relative(ROOT, script))));
    expect(runs.map(({ code, error }) => [code, error])).toEqual(runs.map(() => [0, ""]));
    expect(new Set(runs.map(({ out }) => out)).size).toBe(1);
    expect(await lines()).toHaveLength(1);
  });

  it("that appears a moment after somebody looked for it in vain is used as it is", async () => {
    expect(await keys.find("0".repeat(32))).toBeUndefined();
    const made = await open().current();
    expect(await keys.current()).toEqual(made);
    expect(await lines()).toHaveLength(1);
  });

  it("takes further versions: the newest is current, the older ones are there, and other processes see it", async () => {
    const other = open();
    const first = await other.current();
    const second = await keys.add();
    expect(await keys.current()).toEqual(second);
    expect(await keys.find(first.version)).toEqual(first);
    expect(await other.find(second.version)).toEqual(second);
    const third = await keys.add();
    expect((await other.current({ fresh: true })).version).toBe(third.version);
    const fourth = await keys.add();
    expect((await other.current()).version).toBe(third.version);
    clock.advance(6_000);
    expect((await other.current()).version).toBe(fourth.version);
  });

  it("that has gone meanwhile is made again by who adds a version", async () => {
    const first = await keys.current();
    await rm(path);
    const added = await keys.add();
    expect(await lines()).toHaveLength(2);
    expect([await open().find(added.version), await open().find(first.version)]).toEqual([added, undefined]);
  });

  it("loses no version when several are added at the same time", async () => {
    const first = await keys.current();
    const added = await Promise.all(Array.from({ length: 10 }, () => open().add()));
    expect(await lines()).toHaveLength(11);
    for (const key of [first, ...added]) expect(await open().find(key.version)).toEqual(key);
  });

  it("that others may read is refused", async () => {
    await keys.current();
    for (const mode of [0o644, 0o640, 0o602, 0o610]) {
      await chmod(path, mode);
      expect(await reason(open().current())).toContain("must be 600");
      expect(await reason(open().find("0".repeat(32)))).toContain("must be 600");
      expect(await reason(keys.add())).toContain("must be 600");
    }
    // Nothing was added to it either.
    expect(await lines()).toHaveLength(1);
    await chmod(path, 0o600);
    expect((await open().current()).version).toBe((await keys.current({ fresh: true })).version);
  });

  it("with a line that is no key is refused by the line, without what is in it", async () => {
    const { version } = await keys.current();
    const good = (await readFile(path, "utf8")).trimEnd();
    const short = randomBytes(16).toString("base64url");
    const bad = [
      "not json",
      '{"version":"x"}',
      good.replace(version, "a/b"),
      good.replace(/"key":"[^"]+"/, `"key":"${short}"`),
      good.slice(0, -1),
    ];
    for (const line of bad) {
      await writeFile(path, `${good}\n\n${line}\n`, { mode: 0o600 });
      const why = await reason(open().current());
      expect(why).toContain("Line 3");
      expect(why).not.toContain(short);
    }
  });

  it("that is empty is refused, and stays so: who emptied it may have the keys", async () => {
    await keys.current();
    await writeFile(path, "\n", { mode: 0o600 });
    expect(await reason(open().current())).toBe("The key file of this service contains no key.");
    expect(await readFile(path, "utf8")).toBe("\n");
  });

  it("that cannot be read or made is said to be so, without where it is", async () => {
    await writeFile(join(folder, "sub"), "a file where the folder should be");
    const why = await reason(keys.current());
    expect(why).toContain("cannot be read or written");
    // The log is told more than the caller.
    await expect(keys.current()).rejects.toMatchObject({ cause: { code: "ENOTDIR" } });
    expect(why).not.toContain(folder);
  });
});
