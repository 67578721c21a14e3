import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient, isUnreachable } from "../../../src/client/index.ts";
import { tlsFetch } from "../../../src/client/tls.ts";
import { type Issued, TestAuthority } from "../../support/certificates.ts";
import { type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { runFile } from "../../support/run-process.ts";

/** The client and the command line over TLS: with a client certificate, with a token, and for a server nobody vouches for. */

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
let authority: TestAuthority;
let certificate: Issued;
let host: GuardedHost;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  authority = await TestAuthority.create();
  const server = await authority.server();
  certificate = await authority.issue({ subject: "CN=blue-1", purpose: "client" });
  host = await startGuardedHost({
    AGENT_TLS_CERTIFICATE_FILE: file("server.pem", server.certificate),
    AGENT_TLS_KEY_FILE: file("server-key.pem", server.key),
    AGENT_CLIENT_CERTIFICATES: "tls",
    AGENT_CLIENT_CA_FILE: file("ca.pem", authority.certificate),
  });
  await host.agent("worker", "blue-1");
  await host.issue({ kind: "certificate", agentId: "blue-1", subject: "CN=blue-1" });
});
afterAll(async () => {
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

const clientWith = (fetch: ReturnType<typeof tlsFetch> | undefined, token?: string) =>
  new AgentClient({ baseUrl: host.url, fetch, token, retryBudgetMilliseconds: 0 });

describe("a client over TLS", () => {
  it("is the agent of its certificate, over one connection after another", async () => {
    const client = clientWith(tlsFetch({ ...certificate, authority: authority.certificate }));
    for (let n = 0; n < 3; n += 1) expect(await client.heartbeat("blue-1")).toMatchObject({ status: "active" });
    await expect(client.heartbeat("blue-2")).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  it("can be aborted, and does not speak to a server that nobody vouches for", async () => {
    const client = clientWith(tlsFetch({ ...certificate, authority: authority.certificate }));
    const signal = AbortSignal.timeout(50);
    await expect(client.receiveMessages("blue-1", { waitSeconds: 20 }, { signal })).rejects.toThrow("timeout");
    const stranger = await TestAuthority.create();
    const error = await clientWith(tlsFetch({ authority: stranger.certificate }))
      .live()
      .catch((thrown: unknown) => thrown);
    expect(isUnreachable(error)).toBe(true);
  });

  it("may show a token instead", async () => {
    const { agentId, token } = await host.agent();
    const client = clientWith(tlsFetch({ authority: authority.certificate }), token);
    expect(await client.heartbeat(agentId)).toMatchObject({ status: "active" });
    await expect(clientWith(tlsFetch({ authority: authority.certificate })).heartbeat(agentId)).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  });
});

describe("the command line over TLS", () => {
  const run = (words: string[], environment: Record<string, string>) =>
    runFile("src/cli/main.ts", words, { environment: { AGENT_COMMUNICATION_URL: host.url, ...environment } });
  const trust = { AGENT_COMMUNICATION_CA_FILE: join(folder, "ca.pem") };

  it("is the agent of its certificate, or of its token", async () => {
    const shown = {
      ...trust,
      AGENT_COMMUNICATION_CERTIFICATE_FILE: file("blue-1.pem", certificate.certificate),
      AGENT_COMMUNICATION_KEY_FILE: file("blue-1-key.pem", certificate.key),
    };
    expect(await run(["agents", "heartbeat", "blue-1"], shown)).toMatchObject({ code: 0, error: "" });
    const other = await run(["agents", "heartbeat", "blue-2"], shown);
    expect([other.code, other.error]).toEqual([1, expect.stringContaining("FORBIDDEN")]);
    const { agentId, token } = await host.agent();
    const byToken = { ...trust, AGENT_COMMUNICATION_TOKEN: token };
    expect(await run(["agents", "heartbeat", agentId], byToken)).toMatchObject({ code: 0, error: "" });
    const wrong = await run(["agents", "heartbeat", agentId], { ...byToken, AGENT_COMMUNICATION_AGENT_ID: "blue-1" });
    expect([wrong.code, wrong.error]).toEqual([1, expect.stringContaining("X-Agent-Id")]);
  });

  it("says what is wrong with the files", async () => {
    const half = await run(["health"], { ...trust, AGENT_COMMUNICATION_CERTIFICATE_FILE: join(folder, "ca.pem") });
    expect([half.code, half.error]).toEqual([2, expect.stringContaining("give both or neither")]);
    const absent = await run(["health"], { AGENT_COMMUNICATION_CA_FILE: join(folder, "nothing.pem") });
    expect([absent.code, absent.error]).toEqual([2, expect.stringContaining("AGENT_COMMUNICATION_CA_FILE: ENOENT")]);
    const untrusted = await run(["health"], {});
    expect([untrusted.code, untrusted.error]).toEqual([3, expect.stringMatching(/self-signed|unable to verify/)]);
  });
});
