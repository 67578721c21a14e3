import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Issued, TestAuthority } from "../../support/certificates.ts";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { until } from "../../support/poll.ts";

/** Certificates that a platform forwards in X-ARR-ClientCert, under AGENT_CLIENT_CERTIFICATES=platform. */

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
let authority: TestAuthority;
let host: GuardedHost;

beforeAll(async () => {
  authority = await TestAuthority.create();
  writeFileSync(join(folder, "ca.pem"), authority.certificate);
  const settings = { AGENT_CLIENT_CERTIFICATES: "platform", AGENT_CLIENT_CA_FILE: join(folder, "ca.pem") };
  host = await startGuardedHost(settings, { underFunctions: true });
});
afterAll(async () => {
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

const client = (of = authority) => of.issue({ subject: "O=Example, CN=worker", purpose: "client" });

async function certified(role: "worker" | "admin" = "worker") {
  const { agentId, token } = await host.agent(role);
  const certificate = await client();
  await host.issue({ kind: "certificate", agentId, thumbprint: certificate.thumbprint });
  return { agentId, token, certificate };
}

const ask = (agentId: string, value: string | readonly string[], headers: Record<string, string> = {}) =>
  host.ask("POST", `/agents/${agentId}/heartbeat`, { headers: { "x-arr-clientcert": value, ...headers }, body: {} });

describe("a forwarded certificate", () => {
  it("that is bound to an agent is that agent", async () => {
    const { agentId, certificate } = await certified();
    expect((await ask(agentId, certificate.der)).status).toBe(200);
    const other = await certified();
    expect((await ask(agentId, other.certificate.der)).code).toBe("FORBIDDEN");
  });

  it("is checked by us: one that anybody could have made is nobody's, though it is bound", async () => {
    const { agentId } = await certified();
    const forged: Issued[] = [
      await client(await TestAuthority.create()),
      await authority.issue({ subject: "CN=x", purpose: "server" }),
      await authority.issue({ subject: "CN=x", purpose: "client", notAfter: new Date(Date.now() - 60_000) }),
      await authority.issue({ subject: "CN=x", purpose: "client", notBefore: new Date(Date.now() + 3_600_000) }),
    ];
    for (const [index, { der, thumbprint }] of forged.entries()) {
      await host.issue({ kind: "certificate", agentId, thumbprint });
      expect([index, (await ask(agentId, der)).status]).toEqual([index, 401]);
    }
  });

  it("whose binding is revoked while a poll waits gets nothing from it", async () => {
    const { agentId } = await host.agent();
    const certificate = await client();
    const { credentialId } = await host.issue({ kind: "certificate", agentId, thumbprint: certificate.thumbprint });
    const { store } = host.services;
    const { claimMessages } = store;
    let claims = 0;
    store.claimMessages = async (claim) => {
      const claimed = await claimMessages(claim);
      claims += 1;
      return claimed;
    };
    const poll = host.ask("POST", `/agents/${agentId}/messages/receive`, {
      headers: { "x-arr-clientcert": certificate.der },
      body: { waitSeconds: 20 },
    });
    await until("the poll has looked, and waits", () => claims === 1);
    await host.services.credentials.revoke(credentialId);
    const sender = await host.agent("admin");
    const message = { sender: sender.agentId, receiver: agentId, type: "query", payload: { secret: 1 } };
    expect((await host.ask("POST", "/messages", { headers: bearer(sender.token), body: message })).status).toBe(202);
    const answer = await poll;
    store.claimMessages = claimMessages;
    expect([answer.status, answer.text.includes("secret"), claims]).toEqual([401, false, 1]);
  });

  it("must be there once, and alone", async () => {
    const { agentId, token, certificate } = await certified();
    const { der } = certificate;
    expect((await ask(agentId, [der, der])).code).toBe("INVALID_REQUEST");
    expect((await ask(agentId, `${der},${der}`)).code).toBe("INVALID_REQUEST");
    expect((await ask(agentId, `${der},`)).code).toBe("INVALID_REQUEST");
    expect((await ask(agentId, der, bearer(token))).code).toBe("INVALID_REQUEST");
    // So says a front end to which nobody has shown one.
    expect((await ask(agentId, "", bearer(token))).status).toBe(200);
  });

  it("that is none is refused", async () => {
    const { agentId, certificate } = await certified();
    const pem = certificate.certificate.replaceAll("\n", " ");
    const texts = [
      "x",
      "AAAA",
      "%41",
      pem,
      encodeURIComponent(pem),
      certificate.der.slice(0, -8),
      `${certificate.der} `,
    ];
    for (const text of texts.slice(0, -1)) expect([text, (await ask(agentId, text)).status]).toEqual([text, 401]);
    // White space at the ends is no part of a header's value.
    expect((await ask(agentId, texts.at(-1) ?? "")).status).toBe(200);
  });

  it("does nothing for a foreign page", async () => {
    const { agentId, certificate } = await certified("admin");
    expect((await ask(agentId, certificate.der, { origin: "https://evil.example" })).code).toBe("FORBIDDEN");
  });

  it("is looked at by no route that anyone may call", async () => {
    const answer = await host.ask("GET", "/health/live", { headers: { "x-arr-clientcert": "nonsense" } });
    expect(answer.status).toBe(200);
  });
});
