import { X509Certificate } from "node:crypto";
import { createServer, get } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "@jest/globals";
import { TestAuthority } from "./certificates.ts";

describe("the certificates of tests", () => {
  it("are good enough for node's own TLS, on both sides", async () => {
    const authority = await TestAuthority.create();
    const [server, client] = [await authority.server(), await authority.issue({ subject: "CN=w", purpose: "client" })];
    const listening = createServer(
      { cert: server.certificate, key: server.key, ca: authority.certificate, requestCert: true },
      (_request, response) => response.end("hello"),
    );
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    const { port } = listening.address() as AddressInfo;
    const ask = (options: object) =>
      new Promise((resolve, reject) => {
        get({ host: "localhost", port, ca: authority.certificate, agent: false, ...options }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on("error", reject);
      });
    expect(await ask({ cert: client.certificate, key: client.key })).toBe(200);
    await expect(ask({})).rejects.toThrow();
    const stranger = await (await TestAuthority.create()).issue({ subject: "CN=w", purpose: "client" });
    await expect(ask({ cert: stranger.certificate, key: stranger.key })).rejects.toThrow();
    await new Promise((resolve) => listening.close(resolve));
  });

  it("say what they were asked to say", async () => {
    const authority = await TestAuthority.create("CN=Root,O=Example");
    const issued = await authority.issue({ subject: "CN=w-1,O=Example", purpose: "client" });
    const certificate = new X509Certificate(issued.certificate);
    expect(certificate.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(issued.thumbprint);
    expect(certificate.serialNumber.toLowerCase()).toBe(issued.serialNumber);
    expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
    expect(await authority.revocationList([issued])).toMatch(/^-----BEGIN (?:X509 )?CRL-----/);
  });
});
