import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { KeyVaultServer } from "../../support/key-vault-server.ts";
import { type LocalHost, startLocalHost, stopProcess } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

/** The real process with its keys in a vault: the vault's certificate is trusted by NODE_EXTRA_CA_CERTS, nothing else is special. */

const NAME = "agent-communication-encryption-key";
const keyText = () => randomBytes(32).toString("base64");

describe("a service with its keys in a vault", () => {
  let vault: KeyVaultServer;
  let host: LocalHost;
  let client: AgentClient;
  const texts = [keyText(), keyText()];
  /** What the process before has printed. */
  let before = "";

  beforeAll(async () => {
    vault = await KeyVaultServer.start();
    vault.away = true;
    vault.add(NAME, texts[0] ?? "");
    await start();
    await client.registerAgent({ agentId: "a", role: "worker" });
  });
  afterAll(async () => {
    await host.stop();
    await vault.stop();
  });

  async function start(database?: string): Promise<void> {
    host = await startLocalHost(vault.environment, database === undefined ? {} : { database });
    client = new AgentClient({ baseUrl: host.baseUrl, retryBudgetMilliseconds: 0 });
  }

  const send = (sensitive: boolean, messageId?: string) =>
    client.sendMessage({ messageId, sender: "a", receiver: "a", type: "query", payload: "hush", sensitive });

  it("starts without the vault, and does everything that needs no key", async () => {
    await expect(send(true)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE", retryAfterSeconds: 5 });
    expect(await send(false, "plain")).toMatchObject({ duplicate: false });
    expect(await client.health()).toMatchObject({ status: "healthy" });
  });

  it("has its key when the vault is back", async () => {
    vault.away = false;
    await until("the vault is asked again", () => send(true, "m-1").catch(() => undefined));
    expect(await client.getMessage("m-1")).toMatchObject({ payload: "hush", sensitive: true });
  });

  it("goes on with what it knows when the vault goes away again", async () => {
    vault.away = true;
    expect(await send(true, "m-2")).toMatchObject({ duplicate: false });
    expect((await client.receiveMessages("a", { maxMessages: 5 })).messages).toHaveLength(3);
    vault.away = false;
  });

  it("encrypts everything again under a new version, with which the process after it does without the old one", async () => {
    const first =
      vault.asked
        .filter((path) => !path.endsWith("/versions"))
        .at(-1)
        ?.split("/")
        .at(-1) ?? "";
    const second = vault.add(NAME, texts[1] ?? "");
    const rotated = await until("the new version is found", async () => {
      const rotation = await client.rotateKeys();
      return rotation.keyVersion === second ? rotation : undefined;
    });
    expect(rotated).toMatchObject({ undecryptable: 0, left: 0, nextCursor: null });
    await expect(client.rotateKeys({ newVersion: true })).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    vault.enable(NAME, first, false);
    before = host.output();
    await stopProcess(host.process);
    await start(host.database);
    expect(await client.getMessage("m-1")).toMatchObject({ payload: "hush" });
    expect(await client.getMessage("m-2")).toMatchObject({ payload: "hush" });
  });

  it("prints neither a key nor a token nor what was said", () => {
    const printed = before + host.output();
    expect(before).toContain("KEY_UNAVAILABLE");
    for (const secret of [...texts, "a-token-of-the-test", "the-identity-of-the-test", "hush"]) {
      expect(printed).not.toContain(secret);
    }
  });
});
