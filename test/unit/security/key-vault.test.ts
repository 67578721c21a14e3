import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { stopwatch } from "../../../src/lib/model/clock.ts";
import { KeyVault } from "../../../src/lib/security/key-vault.ts";
import { KeyVaultServer } from "../../support/key-vault-server.ts";

/** What a vault says of a secret, and how often one that is away is tried. */

describe("a vault", () => {
  let server: KeyVaultServer;
  let distrust: () => void;
  beforeEach(async () => {
    server = await KeyVaultServer.start();
    distrust = server.trustHere();
  });
  afterEach(async () => {
    distrust();
    await server.stop();
  });

  it("that is away is tried twice, each time it is needed", async () => {
    const vault = new KeyVault({ url: server.url, login: { type: "default" }, ofTest: true });
    server.away = true;
    await expect(vault.versions("name")).rejects.toThrow();
    expect(server.refused).toBe(2);
    await expect(vault.read("name")).rejects.toThrow();
    expect(server.refused).toBe(4);
    server.away = false;
    expect(await vault.versions("name")).toEqual([]);
    expect(await vault.read("name")).toBeUndefined();
  });

  it("that does not answer is given up after three seconds, and not tried again", async () => {
    const vault = new KeyVault({ url: server.url, login: { type: "default" }, ofTest: true });
    server.silent = true;
    const elapsed = stopwatch();
    await expect(vault.read("name")).rejects.toThrow();
    expect(server.refused).toBe(1);
    expect(elapsed()).toBeGreaterThan(2_900);
  }, 30_000);

  it("tells what a version is, and the value of the one that is asked for", async () => {
    const vault = new KeyVault({ url: server.url, login: { type: "default" }, ofTest: true });
    const first = server.add("name", "one", { notBefore: 1_900_000_000 });
    const second = server.add("name", "two", { enabled: false });
    const [one, two, ...more] = await vault.versions("name");
    expect(more).toEqual([]);
    expect(one).toMatchObject({ version: first, enabled: true, notBefore: 1_900_000_000_000 });
    expect(two).toEqual({
      version: second,
      enabled: false,
      createdAt: (one?.createdAt ?? 0) + 1_000,
      notBefore: undefined,
    });
    expect([await vault.read("name", first), await vault.read("name", second)]).toEqual(["one", undefined]);
    server.enable("name", second, true);
    expect(await vault.read("name")).toBe("two");
  });

  it("whose address names another vault's token is not given one", async () => {
    // Outside of tests the domain of the address has to be that of the token.
    const vault = new KeyVault({ url: server.url, login: { type: "default" }, ofTest: false });
    await expect(vault.read("name")).rejects.toThrow(/challenge resource/);
    expect(server.asked).toEqual([]);
  });
});
