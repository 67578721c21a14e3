import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readEncryptionSettings } from "../../../src/lib/config/encryption-settings.ts";
import { type Clock, OffsetClock } from "../../../src/lib/model/clock.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { KeyFile } from "../../../src/lib/security/key-file.ts";
import type { Key, KeyRing } from "../../../src/lib/security/key-ring.ts";
import { KeyVault } from "../../../src/lib/security/key-vault.ts";
import { openKeys } from "../../../src/lib/security/open-keys.ts";
import { VaultKeys } from "../../../src/lib/security/vault-keys.ts";
import { lineLog } from "../../../src/lib/trace/log.ts";
import { KeyVaultServer } from "../../support/key-vault-server.ts";
import { until } from "../../support/poll.ts";
import { VirtualClock } from "../../system/simulator/virtual-clock.ts";

/** Encryption keys from a key vault: over HTTPS, with the vault's own client, from a server that speaks its REST API. */

const NAME = "agent-communication-encryption-key";
const MINUTE = 60_000;

let server: KeyVaultServer;
let distrust: () => void;
let clock: OffsetClock;
let keys: KeyRing;
let lines: string[];

beforeEach(async () => {
  server = await KeyVaultServer.start();
  distrust = server.trustHere();
  clock = new OffsetClock();
  lines = [];
  keys = open();
});

afterEach(async () => {
  distrust();
  await server.stop();
});

/** As another process would. */
function open(at: Clock = clock): KeyRing {
  const { settings, problems } = readEncryptionSettings({ AZURE_KEY_VAULT_URL: server.url }, undefined);
  expect(problems).toEqual([]);
  return openKeys(
    settings,
    at,
    lineLog((line) => lines.push(line)),
  );
}

function keyText(): string {
  return randomBytes(32).toString("base64");
}

const bytesOf = (key: Key | undefined) => key && Buffer.from(key.bytes).toString("base64");

/** Why there is no key. */
async function reason(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => undefined,
    (refused: unknown) => refused,
  );
  if (!isAgentCommunicationError(error, "KEY_UNAVAILABLE")) throw new Error(`not KEY_UNAVAILABLE: ${String(error)}`);
  return error.message;
}

describe("keys from a vault", () => {
  it("are the versions of the secret: the newest is current, and the older ones are there", async () => {
    const texts = [keyText(), keyText(), keyText()];
    const versions = texts.map((text) => server.add(NAME, text));
    const current = await keys.current();
    expect([current.version, bytesOf(current)]).toEqual([versions[2], texts[2]]);
    for (const [index, version] of versions.entries()) expect(bytesOf(await keys.find(version))).toBe(texts[index]);
    expect(await keys.find("ffffffffffffffffffffffffffffffff")).toBeUndefined();
    expect(await keys.find("../other-secret")).toBeUndefined();
  });

  it("are read once, however often and by however many they are needed", async () => {
    const version = server.add(NAME, keyText());
    await Promise.all([keys.current(), keys.current(), keys.find(version), keys.find(version)]);
    for (let n = 0; n < 5; n++) await Promise.all([keys.current(), keys.find(version)]);
    expect(server.asked.filter((path) => path.endsWith(version))).toHaveLength(1);
    expect(server.asked.filter((path) => path.endsWith("/versions"))).toHaveLength(1);
  });

  it("a new version is used some minutes later, without waiting for it; the old one goes on decrypting", async () => {
    const first = server.add(NAME, keyText());
    expect((await keys.current()).version).toBe(first);
    const second = server.add(NAME, keyText());
    clock.advance(4 * MINUTE);
    expect((await keys.current()).version).toBe(first);
    clock.advance(2 * MINUTE);
    // Still the old one, while the new one is asked for behind it.
    expect((await keys.current()).version).toBe(first);
    await expect(untilCurrent(second)).resolves.toBe(second);
    expect((await keys.find(first))?.version).toBe(first);
  });

  it("the newest is the one that was made last, whatever the order in which the vault names them", async () => {
    const first = server.add(NAME, keyText());
    server.add(NAME, keyText(), { secondsEarlier: 100 });
    expect((await keys.current()).version).toBe(first);
  });

  it("of two that were made in the same second every process takes the same", async () => {
    const same = [server.add(NAME, keyText()), server.add(NAME, keyText(), { secondsEarlier: 1 })];
    const more = [
      server.add(NAME, keyText(), { secondsEarlier: 2 }),
      server.add(NAME, keyText(), { secondsEarlier: 3 }),
    ];
    expect((await keys.current()).version).toBe([...same, ...more].sort().at(-1));
  });

  it("one that was disabled since it was listed leaves the one that is known", async () => {
    const first = server.add(NAME, keyText());
    const vault = new KeyVault({ url: server.url, login: { type: "default" }, ofTest: true });
    let disabled = "";
    const ring = new VaultKeys({
      vault: {
        versions: async (name) => {
          const listed = await vault.versions(name);
          if (disabled !== "") server.enable(NAME, disabled, false);
          return listed;
        },
        read: (name, version) => vault.read(name, version),
      },
      name: NAME,
      clock,
      log: lineLog((line) => lines.push(line)),
    });
    expect((await ring.current()).version).toBe(first);
    disabled = server.add(NAME, keyText());
    clock.advance(3_000);
    expect((await ring.current({ fresh: true })).version).toBe(first);
    expect(await ring.find(disabled)).toBeUndefined();
    expect(lines).toEqual([]);
  });

  it("is valid from the first millisecond on", async () => {
    const still = new VirtualClock();
    const ring = open(still);
    const first = server.add(NAME, keyText());
    const second = server.add(NAME, keyText(), { notBefore: still.now() / 1_000 + 10 });
    expect((await ring.current()).version).toBe(first);
    still.advance(9_999);
    expect((await ring.current({ fresh: true })).version).toBe(first);
    still.advance(1);
    // Another process: this one has just asked for the list, and will again in two seconds.
    expect((await open(still).current()).version).toBe(second);
  });

  it("a new version is used at once by who asks for the newest", async () => {
    server.add(NAME, keyText());
    await keys.current();
    clock.advance(3_000);
    const second = server.add(NAME, keyText());
    expect((await keys.current({ fresh: true })).version).toBe(second);
  });

  it("a version that another process has begun to use is found at once", async () => {
    server.add(NAME, keyText());
    await keys.current();
    const text = keyText();
    const second = server.add(NAME, text);
    clock.advance(3_000);
    expect(bytesOf(await keys.find(second))).toBe(text);
  });

  it("versions that nobody knows are asked for at a bounded rate, and never by their own name", async () => {
    server.add(NAME, keyText());
    await keys.current();
    clock.advance(3_000);
    const unknown = Array.from({ length: 50 }, () => randomBytes(16).toString("hex"));
    for (const version of unknown) expect(await keys.find(version)).toBeUndefined();
    expect(server.asked.filter((path) => path.endsWith("/versions"))).toHaveLength(2);
    expect(server.asked.filter((path) => unknown.some((version) => path.includes(version)))).toEqual([]);
  });

  it("a disabled version is neither current nor there, until it is enabled again", async () => {
    const [first, second] = [server.add(NAME, keyText()), server.add(NAME, keyText(), { enabled: false })];
    expect((await keys.current()).version).toBe(first);
    expect(await keys.find(second)).toBeUndefined();
    server.enable(NAME, second, true);
    clock.advance(3_000);
    expect((await keys.find(second))?.version).toBe(second);
  });

  it("a version that is not yet valid is not current, but decrypts", async () => {
    const first = server.add(NAME, keyText());
    const tomorrow = Math.floor(Date.now() / 1_000) + 86_400;
    const second = server.add(NAME, keyText(), { notBefore: tomorrow });
    expect((await keys.current()).version).toBe(first);
    expect((await keys.find(second))?.version).toBe(second);
    clock.advance(2 * 86_400_000);
    expect((await keys.current({ fresh: true })).version).toBe(second);
  });

  it.each([
    ["too short", randomBytes(16).toString("base64")],
    ["too long", randomBytes(33).toString("base64")],
    ["no base64", "correct horse battery staple, correct!! horse!"],
    ["empty", ""],
  ])("a value that is %s is refused by the name of its version, without the value", async (_, text) => {
    const version = server.add(NAME, text);
    for (const asked of [keys.current(), keys.find(version), keys.current()]) {
      const why = await reason(asked);
      expect(why).toContain(version);
      expect(why).toContain(NAME);
      if (text !== "") expect(why).not.toContain(text);
    }
    expect(server.asked.filter((path) => path.endsWith(version))).toHaveLength(1);
  });

  it("base64url does as well as base64", async () => {
    const bytes = Buffer.from("fb".repeat(32), "hex");
    server.add(NAME, bytes.toString("base64url"));
    expect(bytesOf(await keys.current())).toBe(bytes.toString("base64"));
  });

  it("a wrong new version leaves running processes with the one before it", async () => {
    const first = server.add(NAME, keyText());
    await keys.current();
    const second = server.add(NAME, "of 13 letters");
    clock.advance(6 * MINUTE);
    expect((await keys.current()).version).toBe(first);
    expect(await reason(keys.current({ fresh: true }))).toContain(second);
    expect((await keys.current()).version).toBe(first);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "error", event: "a version of the secret is not a key", version: second },
    ]);
    expect(lines.join()).not.toContain("of 13 letters");
    expect(await reason(open().current())).toContain(second);
  });

  it("without a secret, or without an enabled version of it, there is no key", async () => {
    expect(await reason(keys.current())).toContain(`secret ${NAME} has no enabled version`);
    expect(await keys.find("0".repeat(32))).toBeUndefined();
  });

  it("that the vault has not, or that cannot be had, says when to come back", async () => {
    await expect(keys.current()).rejects.toMatchObject({ code: "KEY_UNAVAILABLE", retryAfterSeconds: 5 });
    const { settings } = readEncryptionSettings({}, undefined);
    const none = openKeys(
      settings,
      clock,
      lineLog((line) => lines.push(line)),
    );
    // An operator has to do something first.
    await expect(none.current()).rejects.toMatchObject({
      code: "KEY_UNAVAILABLE",
      message: "This service has no encryption key: set AZURE_KEY_VAULT_URL or AGENT_KEY_FILE.",
      retryAfterSeconds: 300,
    });
    expect(await none.find("0".repeat(32))).toBeUndefined();
  });

  it("stand beside the older ones of a file, which only decrypt", async () => {
    const folder = await mkdtemp(join(tmpdir(), "agent-communication-keys-"));
    try {
      const keyFile = join(folder, "keys.jsonl");
      const old = await new KeyFile(keyFile, clock).current();
      const environment = { AZURE_KEY_VAULT_URL: server.url, AGENT_KEY_FILE: keyFile };
      const { settings } = readEncryptionSettings(environment, undefined);
      const both = openKeys(
        settings,
        clock,
        lineLog((line) => lines.push(line)),
      );
      const version = server.add(NAME, keyText());
      expect((await both.current()).version).toBe(version);
      expect(await both.find(old.version)).toEqual(old);
      expect((await both.find(version))?.version).toBe(version);
      expect(await both.find("f".repeat(32))).toBeUndefined();
      clock.advance(3_000);
      const next = server.add(NAME, keyText());
      expect((await both.current({ fresh: true })).version).toBe(next);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("with the vault away there is none at first, and the vault is not asked again at once", async () => {
    const version = server.add(NAME, keyText());
    server.away = true;
    expect(await reason(keys.current())).toContain("key vault of this service cannot be reached");
    server.away = false;
    expect(await reason(keys.find(version))).toContain("cannot be reached");
    expect(server.asked).toEqual([]);
    clock.advance(6_000);
    expect((await keys.current()).version).toBe(version);
  });

  it("with the vault away later, what is known goes on, and only what is not is missing", async () => {
    const [first, second] = [server.add(NAME, keyText()), server.add(NAME, keyText())];
    await keys.current();
    server.away = true;
    clock.advance(6 * MINUTE);
    for (let n = 0; n < 5; n += 1) expect((await keys.current()).version).toBe(second);
    await until("the vault has been asked", () => lines.length > 0);
    for (let n = 0; n < 5; n += 1) expect((await keys.current()).version).toBe(second);
    expect((await keys.find(second))?.version).toBe(second);
    expect(await reason(keys.find(first))).toContain("cannot be reached");
    // Once, however many calls went on with what is known.
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "error", event: "the key vault did not give the encryption keys" },
    ]);
    server.away = false;
    clock.advance(6_000);
    expect((await keys.find(first))?.version).toBe(first);
  });
});

/** The refresh goes on behind the call that began it. */
async function untilCurrent(version: string): Promise<string> {
  for (;;) {
    const current = (await keys.current()).version;
    if (current === version) return current;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
