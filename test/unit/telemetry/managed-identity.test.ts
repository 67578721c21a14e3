import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type BreezeServer, startBreezeServer } from "../../support/breeze-server.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { type ManagedIdentityEndpoint, startManagedIdentityEndpoint } from "../../support/managed-identity-endpoint.ts";
import { until } from "../../support/poll.ts";

/** Telemetry where the resource takes no keys: with tokens of the app's managed identity, as the template sets it up. */

const TOKEN = "token-of-the-managed-identity";
const CLIENT_ID = "22222222-3333-4444-8555-666666666666";

let folder: string;
let breeze: BreezeServer;
let identity: ManagedIdentityEndpoint;
let host: LocalHost;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
  [breeze, identity] = await Promise.all([startBreezeServer(), startManagedIdentityEndpoint(TOKEN)]);
  const authority = join(folder, "authority.pem");
  await writeFile(authority, breeze.authority);
  host = await startLocalHost({
    ...identity.environment,
    APPLICATIONINSIGHTS_CONNECTION_STRING: breeze.connectionString,
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: `ClientId=${CLIENT_ID};Authorization=AAD`,
    NODE_EXTRA_CA_CERTS: authority,
    OTEL_BSP_SCHEDULE_DELAY: "200",
    OTEL_METRIC_EXPORT_INTERVAL: "1000",
    OTEL_METRIC_EXPORT_TIMEOUT: "900",
  });
});
afterAll(async () => {
  await host?.stop();
  await Promise.all([breeze?.close(), identity?.close()]);
  await rm(folder, { recursive: true, force: true });
});

describe("telemetry by managed identity", () => {
  it("shows a token of the identity that the setting names, for Azure Monitor, with all that it sends", async () => {
    const client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    const { received } = breeze;
    await until("a span has arrived", () => received.spans.some(({ name }) => name === "POST /api/agents"));
    await until("a metric has arrived", () => received.metrics.length > 0);
    expect(new Set(received.requests.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${TOKEN}`]));
    const asked = { resource: "https://monitor.azure.com", clientId: CLIENT_ID };
    expect(identity.asked.length).toBeGreaterThan(0);
    for (const one of identity.asked) expect(one).toEqual(asked);
    expect(host.output()).not.toContain(TOKEN);
  });
});
