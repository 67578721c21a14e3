import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ClientToken } from "../../../src/client/client-token.ts";
import { readTokenFile } from "../../../src/client/token-file.ts";

/** The file in which a process keeps its token, as others change it. */

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-token-"));
  file = join(folder, "token");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a token file", () => {
  it("that is not there, or is empty, holds no token", async () => {
    expect(await readTokenFile(file)).toBeUndefined();
    await writeFile(file, " \n");
    expect(await readTokenFile(file)).toBeUndefined();
    await writeFile(file, "agt_1\n");
    expect(await readTokenFile(file)).toBe("agt_1");
  });

  it("that cannot be read is an error, and not a file without a token", async () => {
    await mkdir(file);
    await expect(readTokenFile(file)).rejects.toMatchObject({ code: "EISDIR" });
    await writeFile(join(folder, "text"), "");
    await expect(readTokenFile(join(folder, "text", "token"))).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  it("with something that is no token is refused, without what it is", async () => {
    await writeFile(file, "two words");
    await expect(readTokenFile(file)).rejects.toMatchObject({
      message: `tokenFile: ${file} contains something that is not a token`,
    });
  });
});

describe("a token that another process renews", () => {
  const token = (option: ConstructorParameters<typeof ClientToken>[0] = undefined, path: string | undefined = file) =>
    new ClientToken(option, path, () => "id");

  it("is taken over when the file has another one, once", async () => {
    await writeFile(file, "agt_1");
    const own = token();
    expect(await own.bearer()).toBe("agt_1");
    expect(await own.reload()).toBe(false);
    await writeFile(file, "agt_2");
    expect(await own.bearer()).toBe("agt_1");
    expect(await own.reload()).toBe(true);
    expect(await own.bearer()).toBe("agt_2");
    expect(await own.reload()).toBe(false);
  });

  it("is not taken from a file without a token of an agent", async () => {
    await writeFile(file, "agt_1");
    const own = token();
    await own.bearer();
    for (const text of ["", "enr_1", "other"]) {
      await writeFile(file, text);
      expect([text, await own.reload()]).toEqual([text, false]);
    }
    await rm(file);
    expect(await own.reload()).toBe(false);
    expect(await own.bearer()).toBe("agt_1");
  });

  it("is not looked for without a file, or where a function gives the token", async () => {
    await writeFile(file, "agt_2");
    expect(await token("agt_1", "").reload()).toBe(false);
    const given = token(() => "agt_1");
    expect(await given.reload()).toBe(false);
    expect(await given.bearer()).toBe("agt_1");
  });
});
