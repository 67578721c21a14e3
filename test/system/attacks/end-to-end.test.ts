import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { tlsFetch } from "../../../src/client/tls.ts";
import { Worker } from "../../../src/client/worker.ts";
import { eventually } from "../../contract/support.ts";
import { type Issued, TestAuthority } from "../../support/certificates.ts";
import { EntraIssuer } from "../../support/entra-issuer.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

/**
 * A service as a process, and callers that prove themselves to it in one way each, by client and command line: by Entra ID
 * tokens, and by client certificates over TLS. (By agent tokens: marked-run.)
 */

/** A supervisor hands a task to a worker, which does it and is seen to have done it. */
async function workIsDone(supervisor: AgentClient, worker: AgentClient, credential: string): Promise<void> {
  await supervisor.registerAgent({ agentId: "blue-lead", role: "supervisor" });
  const running = new Worker({ client: worker, agentId: "blue-1", handle: (task) => ({ did: task.taskType }) });
  await running.start();
  const { taskId } = await supervisor.assignTask({ supervisor: "blue-lead", taskType: "build" });
  await eventually(async () => (await supervisor.getTask(taskId)).status === "completed", 20_000);
  expect((await supervisor.getTask(taskId)).result).toEqual({ did: "build" });
  await running.stop();
  await worker.sendMessage({ sender: "blue-1", receiver: "blue-lead", type: "notification", payload: "done" });
  const { messages } = await supervisor.receiveMessages("blue-lead", { maxMessages: 10, types: ["notification"] });
  expect(messages[0]).toMatchObject({ sender: "blue-1", senderRole: "worker", senderCredential: credential });
  await expect(worker.receiveMessages("blue-lead")).rejects.toMatchObject({ code: "FORBIDDEN" });
  await expect(worker.assignTask({ supervisor: "blue-lead", taskType: "t" })).rejects.toMatchObject({
    code: "FORBIDDEN",
  });
}

async function commandLine(words: readonly string[], environment: Record<string, string>): Promise<string> {
  const { code, out, error } = await runFile("src/cli/main.ts", words, { environment });
  expect([error, code]).toEqual(["", 0]);
  return out;
}

describe("with Entra ID tokens", () => {
  const ADMIN = randomUUID();
  const LEAD = randomUUID();
  const WORKER = randomUUID();
  let issuer: EntraIssuer;
  let host: LocalHost;

  beforeAll(async () => {
    issuer = await EntraIssuer.start();
    host = await startLocalHost({ AGENT_AUTH_MODE: "required", ...issuer.settings });
  });
  afterAll(async () => {
    await host.stop();
    await issuer.stop();
  });

  const client = (objectId: string, role: string, agentId?: string) =>
    new AgentClient({ baseUrl: host.baseUrl, token: () => issuer.token(objectId, [role]), agentId });

  it("an admin that is bound to nothing binds the others; they register themselves, and work is done", async () => {
    const environment = {
      AGENT_COMMUNICATION_URL: host.baseUrl,
      AGENT_COMMUNICATION_TOKEN: await issuer.token(ADMIN, ["Agent.Admin"]),
    };
    await commandLine(["credentials", "bind-principal", LEAD, "--agents", "blue-lead"], environment);
    await commandLine(["credentials", "bind-principal", WORKER, "--prefix", "blue-"], environment);
    const worker = client(WORKER, "Agent.Worker", "blue-1");
    await workIsDone(client(LEAD, "Agent.Supervisor"), worker, "entra");
    expect(await commandLine(["agents", "list"], environment)).toContain("blue-1");
    const audit = await client(ADMIN, "Agent.Admin").listAudit({ action: "credential.issued" });
    expect(audit.entries.map(({ actor }) => actor)).toEqual([`entra:${ADMIN}`, `entra:${ADMIN}`]);
  }, 120_000);

  it("as another's agent, or in a role that the agent has not, nothing is done", async () => {
    await expect(client(WORKER, "Agent.Worker", "red-1").heartbeat("red-1")).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    await expect(client(WORKER, "Agent.Admin", "blue-1").listAudit()).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(client(randomUUID(), "Agent.Worker").listAgents()).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("with client certificates over TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  let servers: TestAuthority;
  let clients: TestAuthority;
  let host: LocalHost;

  beforeAll(async () => {
    [servers, clients] = [await TestAuthority.create("CN=Servers"), await TestAuthority.create("CN=Clients")];
    const server = await servers.server();
    file("servers.pem", servers.certificate);
    host = await startLocalHost({
      AGENT_AUTH_MODE: "required",
      AGENT_TLS_CERTIFICATE_FILE: file("server.pem", server.certificate),
      AGENT_TLS_KEY_FILE: file("server-key.pem", server.key),
      AGENT_CLIENT_CERTIFICATES: "tls",
      AGENT_CLIENT_CA_FILE: file("clients.pem", clients.certificate),
      AGENT_CLIENT_CRL_FILE: file("revoked.pem", await clients.revocationList([])),
    });
  });
  afterAll(async () => {
    await host.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const client = ({ certificate, key }: Issued) =>
    new AgentClient({
      baseUrl: host.baseUrl,
      retryBudgetMilliseconds: 0,
      fetch: tlsFetch({ certificate, key, authority: servers.certificate }),
    });

  it("an admin with a token registers and binds; the others work without one", async () => {
    const made = await commandLine(["bootstrap", "--json"], { AGENT_MOCK_DATABASE: host.database });
    const environment = {
      AGENT_COMMUNICATION_URL: host.baseUrl,
      AGENT_COMMUNICATION_TOKEN: /agt_[\w-]+/.exec(made)?.[0] ?? "",
      AGENT_COMMUNICATION_CA_FILE: join(folder, "servers.pem"),
    };
    const [lead, worker] = await Promise.all([
      clients.issue({ subject: "CN=lead", purpose: "client" }),
      // In the certificate the most specific part stands last, in RFC 4514 first.
      clients.issue({ subject: "O=Example,CN=blue-1", purpose: "client" }),
    ]);
    await commandLine(["agents", "register", "blue-lead", "--role", "supervisor"], environment);
    await commandLine(["agents", "register", "blue-1"], environment);
    const bind = ["credentials", "bind-certificate"];
    await commandLine([...bind, "blue-lead", "--thumbprint", lead.thumbprint], environment);
    await commandLine([...bind, "blue-1", "--subject", "CN=blue-1,O=Example"], environment);
    await workIsDone(client(lead), client(worker), "certificate");
    const shown = await commandLine(["agents", "show", "blue-1"], {
      AGENT_COMMUNICATION_URL: host.baseUrl,
      AGENT_COMMUNICATION_CA_FILE: join(folder, "servers.pem"),
      AGENT_COMMUNICATION_CERTIFICATE_FILE: file("worker.pem", worker.certificate),
      AGENT_COMMUNICATION_KEY_FILE: file("worker-key.pem", worker.key),
    });
    expect(shown).toContain("blue-1");
    const stranger = await clients.issue({ subject: "CN=stranger", purpose: "client" });
    await expect(client(stranger).getAgent("blue-1")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  }, 120_000);

  it("a certificate in a header is refused: the smoke test for deployments says so, and fails where it is believed", async () => {
    const copied = await clients.issue({ subject: "O=Example,CN=blue-1", purpose: "client" });
    const words = ["--agent", "blue-1", "--certificate", file("copied.pem", copied.certificate)];
    const smoke = (url: string) =>
      runFile("scripts/smoke-forged-certificate.ts", ["--url", url, ...words], {
        environment: { NODE_EXTRA_CA_CERTS: join(folder, "servers.pem") },
      });
    const refused = await smoke(host.baseUrl);
    expect([refused.code, refused.out.match(/: 400 refused/g)?.length]).toEqual([0, 4]);
    // Whoever answers anything but a refusal has taken the caller for somebody.
    const believing = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => believing.listen(0, "127.0.0.1", resolve));
    try {
      const address = believing.address();
      const port = typeof address === "object" ? address?.port : undefined;
      const believed = await smoke(`http://127.0.0.1:${port}/api`);
      expect([believed.code, believed.out.match(/: 404 NOT REFUSED/g)?.length]).toEqual([1, 4]);
    } finally {
      believing.close();
    }
  }, 120_000);
});
