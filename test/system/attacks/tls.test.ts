import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Issued, TestAuthority } from "../../support/certificates.ts";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { until } from "../../support/poll.ts";

/** TLS of the local host, and client certificates in its handshakes. */

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
const path = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(path(name), text);

/** Issues servers' certificates. */
let servers: TestAuthority;
/** Issues clients' certificates. */
let clients: TestAuthority;
let host: GuardedHost;

beforeAll(async () => {
  [servers, clients] = [await TestAuthority.create("CN=Servers"), await TestAuthority.create("CN=Clients")];
  const server = await servers.server();
  write("server.pem", server.certificate);
  write("server-key.pem", server.key);
  write("clients.pem", clients.certificate);
  write("revoked.pem", await clients.revocationList([]));
  host = await startGuardedHost({
    AGENT_TLS_CERTIFICATE_FILE: path("server.pem"),
    AGENT_TLS_KEY_FILE: path("server-key.pem"),
    AGENT_CLIENT_CERTIFICATES: "tls",
    AGENT_CLIENT_CA_FILE: path("clients.pem"),
    AGENT_CLIENT_CRL_FILE: path("revoked.pem"),
  });
});
afterAll(async () => {
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

const tls = (shown?: Issued) => ({
  ca: servers.certificate,
  ...(shown && { cert: shown.certificate, key: shown.key }),
});
const ask = (method: string, where: string, shown?: Issued, headers: Record<string, string> = {}) =>
  host.ask(method, where, { tls: tls(shown), headers, ...(method === "POST" && { body: {} }) });
const client = (subject = "CN=worker") => clients.issue({ subject, purpose: "client" });

/** An agent to which a new certificate is bound, by its thumbprint. */
async function certified(role: "worker" | "admin" = "worker") {
  const { agentId, token } = await host.agent(role);
  const certificate = await client();
  await host.issue({ kind: "certificate", agentId, thumbprint: certificate.thumbprint });
  return { agentId, token, certificate };
}

describe("TLS", () => {
  it("is what the address says, and tells browsers to stay with it", async () => {
    expect(host.url).toMatch(/^https:/);
    const { status, headers } = await ask("GET", "/health");
    expect([status, headers["strict-transport-security"]]).toEqual([200, "max-age=31536000"]);
  });

  it("is 1.2 at least", async () => {
    const handshake = (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3") =>
      new Promise((resolve) => {
        const { hostname, port } = new URL(host.url);
        const socket = connect({
          host: hostname,
          port: Number(port),
          ca: servers.certificate,
          minVersion: version,
          maxVersion: version,
          ciphers: "DEFAULT@SECLEVEL=0",
        });
        socket.once("secureConnect", () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.once("error", () => resolve("refused"));
      });
    expect(await handshake("TLSv1.3")).toBe("TLSv1.3");
    expect(await handshake("TLSv1.2")).toBe("TLSv1.2");
    expect(await handshake("TLSv1.1")).toBe("refused");
  });

  it("closes on whoever speaks plain HTTP", async () => {
    const { hostname, port } = new URL(host.url);
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connectPlain(Number(port), hostname, () =>
        socket.write("GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n"),
      );
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
    expect(answer).not.toContain("HTTP/1.1");
    expect((await ask("GET", "/health")).status).toBe(200);
  });

  it("takes a renewed certificate without a restart, and keeps the old one while the files do not fit", async () => {
    const shownName = async () => {
      const { hostname, port } = new URL(host.url);
      return new Promise<string>((resolve, reject) => {
        const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.once("error", reject);
      });
    };
    const renewed = await servers.issue({ subject: "CN=renewed", purpose: "server", altNames: ["127.0.0.1"] });
    write("next.pem", renewed.certificate);
    renameSync(path("next.pem"), path("server.pem"));
    host.clock.advance(6_000);
    expect(await shownName()).toBe("localhost");
    write("next.pem", renewed.key);
    renameSync(path("next.pem"), path("server-key.pem"));
    host.clock.advance(6_000);
    // The connection that finds the new files may still be greeted with the old one.
    await until("the renewed certificate", async () => (await shownName()) === "renewed");
    expect((await ask("GET", "/health")).status).toBe(200);
  });
});

describe("a client certificate", () => {
  it("registers what its binding allows, and renews no token", async () => {
    const { agentId } = await host.agent();
    const shown = await client("O=Example, CN=bounded");
    const subject = "CN=bounded,O=Example";
    await host.issue({ kind: "certificate", agentId, subject, capabilities: ["python"], maxConcurrentTasks: 2 });
    const register = async (capabilities: string[], maxConcurrentTasks: number) => {
      const body = { agentId, role: "worker", capabilities, maxConcurrentTasks };
      return (await host.ask("POST", "/agents", { tls: tls(shown), body })).code;
    };
    expect([await register(["payroll"], 1), await register(["python"], 3)]).toEqual(["FORBIDDEN", "FORBIDDEN"]);
    expect(await register(["python"], 2)).toBe("accepted");
    expect((await ask("POST", `/agents/${agentId}/token`, shown)).code).toBe("FORBIDDEN");
  });

  it("that is bound to an agent is that agent, by thumbprint and by subject", async () => {
    const { agentId, certificate } = await certified();
    expect((await ask("POST", `/agents/${agentId}/heartbeat`, certificate)).status).toBe(200);
    const bySubject = await host.agent();
    await host.issue({ kind: "certificate", agentId: bySubject.agentId, subject: "CN=by-subject,O=Example" });
    const shown = await client("O=Example, CN=by-subject");
    expect((await ask("POST", `/agents/${bySubject.agentId}/heartbeat`, shown)).status).toBe(200);
    expect((await ask("POST", `/agents/${agentId}/heartbeat`, shown)).code).toBe("FORBIDDEN");
  });

  it("is asked for but not demanded: a token is as good; both at once are one too many", async () => {
    const { agentId, token, certificate } = await certified();
    const where = `/agents/${agentId}/heartbeat`;
    expect((await ask("POST", where, undefined, bearer(token))).status).toBe(200);
    expect((await ask("POST", where)).status).toBe(401);
    expect((await ask("POST", where, certificate, bearer(token))).code).toBe("INVALID_REQUEST");
  });

  it("that nothing is bound to, or of another authority, or for servers, is nobody's", async () => {
    const { agentId } = await certified();
    const where = `/agents/${agentId}/heartbeat`;
    const others = [
      await client(),
      await (await TestAuthority.create("CN=Clients")).issue({ subject: "CN=worker", purpose: "client" }),
      await clients.issue({ subject: "CN=worker", purpose: "server" }),
      await clients.issue({ subject: "CN=worker", purpose: "client", notAfter: new Date(Date.now() - 60_000) }),
    ];
    for (const [index, shown] of others.entries()) {
      if (index > 0) await host.issue({ kind: "certificate", agentId, thumbprint: shown.thumbprint });
      expect([index, (await ask("POST", where, shown)).status]).toEqual([index, 401]);
    }
  });

  it("does not become another's by forged headers", async () => {
    const [one, other] = [await certified(), await certified()];
    const where = `/agents/${other.agentId}/heartbeat`;
    const forged = { "x-arr-clientcert": other.certificate.der };
    expect((await ask("POST", where, one.certificate, forged)).code).toBe("INVALID_REQUEST");
    expect((await ask("POST", where, undefined, forged)).code).toBe("INVALID_REQUEST");
    expect((await ask("GET", "/health", undefined, forged)).code).toBe("INVALID_REQUEST");
    expect((await ask("POST", where, one.certificate, { "x-agent-id": other.agentId })).code).toBe("FORBIDDEN");
  });

  it("that is revoked, by its authority or by us, is nobody's within 5 s", async () => {
    const [one, other] = [await certified(), await certified()];
    const statuses = async () => [
      (await ask("POST", `/agents/${one.agentId}/heartbeat`, one.certificate)).status,
      (await ask("POST", `/agents/${other.agentId}/heartbeat`, other.certificate)).status,
    ];
    expect(await statuses()).toEqual([200, 200]);
    write("next.pem", await clients.revocationList([one.certificate]));
    renameSync(path("next.pem"), path("revoked.pem"));
    host.clock.advance(5_001);
    expect(await statuses()).toEqual([401, 200]);
    const { credentials } = await host.services.credentials.list({ agentId: other.agentId, kind: "certificate" });
    await host.services.store.revokeCredential(credentials[0]?.credentialId ?? "");
    host.clock.advance(5_000);
    expect(await statuses()).toEqual([401, 401]);
  });

  it("that a browser shows for a foreign page does nothing", async () => {
    const { agentId, certificate } = await certified("admin");
    const foreign: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
      { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" },
    ];
    for (const headers of foreign) {
      const answer = await host.ask("POST", "/maintenance", { tls: tls(certificate), headers });
      expect([headers, answer.code]).toEqual([headers, "FORBIDDEN"]);
    }
    const own = { origin: new URL(host.url).origin, "sec-fetch-site": "same-origin" };
    expect((await ask("POST", `/agents/${agentId}/heartbeat`, certificate, own)).status).toBe(200);
  });
});

describe("a connection that lasts", () => {
  it("ends for a certificate that ends", async () => {
    const { agentId } = await host.agent();
    const notAfter = new Date(host.clock.now() + 3_600_000);
    const shown = await clients.issue({ subject: "CN=short", purpose: "client", notAfter });
    await host.issue({ kind: "certificate", agentId, thumbprint: shown.thumbprint });
    const { hostname, port } = new URL(host.url);
    const socket = connect({ host: hostname, port: Number(port), ...tls(shown) });
    const heads: string[] = [];
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
      for (const [head] of text.matchAll(/HTTP\/1\.1 \d+/g)) heads.push(head);
      text = text.slice(-8);
    });
    const request = `POST /api/agents/${agentId}/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`;
    socket.write(request);
    await until("the first answer", () => heads.length === 1);
    host.clock.advance(3_601_000);
    socket.write(request);
    await until("the second answer", () => heads.length === 2);
    expect(heads).toEqual(["HTTP/1.1 200", "HTTP/1.1 401"]);
    socket.destroy();
  });
});
