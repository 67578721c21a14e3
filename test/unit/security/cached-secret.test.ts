import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { CachedSecret } from "../../../src/lib/security/cached-secret.ts";
import { KeyVault } from "../../../src/lib/security/key-vault.ts";
import { KeyVaultServer } from "../../support/key-vault-server.ts";
import { until } from "../../support/poll.ts";

/** A password as it was read last from a vault: when it is read again, and what is done when it is refused. */

const NAME = "sql-password";
const MINUTE = 60_000;

let server: KeyVaultServer;
let distrust: () => void;
let clock: OffsetClock;
let secret: CachedSecret;
let failures: unknown[];

beforeEach(async () => {
  server = await KeyVaultServer.start();
  distrust = server.trustHere();
  clock = new OffsetClock();
  const vault = new KeyVault({ url: server.url, login: { type: "default" }, ofTest: true });
  failures = [];
  secret = new CachedSecret({ vault, name: NAME, clock, onFailure: (error) => failures.push(error) });
  server.add(NAME, "first");
});
afterEach(async () => {
  distrust();
  await server.stop();
});

describe("a secret", () => {
  it("is read once by all who need it", async () => {
    expect(await Promise.all([secret.load(), secret.load(), secret.load()])).toEqual(["first", "first", "first"]);
    expect(secret.latest).toBe("first");
    expect(server.asked).toHaveLength(1);
  });

  it("is read again when it is some minutes old, behind who uses it", async () => {
    await secret.load();
    server.add(NAME, "second");
    clock.advance(4 * MINUTE);
    expect(secret.latest).toBe("first");
    clock.advance(2 * MINUTE);
    expect(secret.latest).toBe("first");
    await until("the new one is read", () => secret.latest === "second");
    expect(server.asked).toHaveLength(2);
  });

  it("that was refused is read again, once for all who are refused, and only when it is not new", async () => {
    await secret.load();
    // Just read: another reading would find the same.
    expect(await secret.renew()).toBe(false);
    expect(server.asked).toHaveLength(1);
    clock.advance(3_000);
    expect(await secret.renew()).toBe(false);
    server.add(NAME, "second");
    clock.advance(3_000);
    expect(await Promise.all([secret.renew(), secret.renew(), secret.renew()])).toEqual([true, true, true]);
    // Who was refused with the old one a moment later is told to try again as well.
    expect(await secret.renew()).toBe(true);
    expect([secret.latest, server.asked.length]).toEqual(["second", 3]);
    clock.advance(20_000);
    expect(await secret.renew()).toBe(false);
  });

  it("that cannot be read is STORE_UNAVAILABLE, and the one that is known goes on", async () => {
    server.away = true;
    await expect(secret.load()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterSeconds: 5 });
    server.away = false;
    await secret.load();
    server.away = true;
    clock.advance(6 * MINUTE);
    await expect(secret.renew()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(secret.latest).toBe("first");
    // The background's, too, of which nobody else is told.
    await until("the reading behind it has failed", () => failures.length === 3);
    expect(failures.every((failure) => failure instanceof Error)).toBe(true);
  });

  it("whose newest version is disabled is named, without any older one", async () => {
    server.add(NAME, "second", { enabled: false });
    await expect(secret.load()).rejects.toMatchObject({
      message: expect.stringContaining(`no enabled secret ${NAME}`),
    });
  });
});
