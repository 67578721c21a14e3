import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { TestAuthority } from "../../support/certificates.ts";
import { type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";

/** Callers that hold a connection without getting on. All of them at once, since the limits are half a minute long. */

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
let plain: GuardedHost;
let secure: GuardedHost;

beforeAll(async () => {
  const { certificate, key } = await (await TestAuthority.create()).server();
  writeFileSync(join(folder, "server.pem"), certificate);
  writeFileSync(join(folder, "key.pem"), key);
  plain = await startGuardedHost({ AGENT_AUTH_MODE: "none" });
  secure = await startGuardedHost({
    AGENT_TLS_CERTIFICATE_FILE: join(folder, "server.pem"),
    AGENT_TLS_KEY_FILE: join(folder, "key.pem"),
  });
});
afterAll(async () => {
  await Promise.all([plain.stop(), secure.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Sends this, then a byte now and then, and gives what came back when the server has closed. */
function dawdle(host: GuardedHost, beginning: string, drip: string): Promise<string> {
  const { hostname, port } = new URL(host.url);
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(beginning));
    const timer = setInterval(() => drip !== "" && socket.write(drip), 1_000);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearInterval(timer);
      resolve(answer);
    });
  });
}

describe("a caller that does not get on", () => {
  it("is let go of: in its headers, in its body, in its handshake", async () => {
    const head =
      "POST /api/agents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n";
    const [headers, body, handshake, halfHandshake] = await Promise.all([
      dawdle(plain, head, "X-Slow: 1\r\n"),
      dawdle(plain, `${head}\r\n{`, " "),
      dawdle(secure, "", ""),
      dawdle(secure, "\x16\x03\x01\x02\x00", ""),
    ]);
    for (const answer of [headers, body]) expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"INVALID_REQUEST"/);
    expect([handshake, halfHandshake]).toEqual(["", ""]);
    expect((await plain.ask("GET", "/health")).status).toBe(200);
  });

  it("with headers without end is refused", async () => {
    const line = `X-Long: ${"x".repeat(1_000)}\r\n`;
    const answer = await dawdle(plain, `GET /api/health HTTP/1.1\r\nHost: localhost\r\n${line.repeat(20)}`, "");
    expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*"PAYLOAD_TOO_LARGE"/);
  });
});
