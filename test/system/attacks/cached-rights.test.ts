import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { EntraIssuer } from "../../support/entra-issuer.ts";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { until } from "../../support/poll.ts";

/** Rights are remembered for 5 s. What this process changes counts at once, and what waits is asked again before it is served. */

let host: GuardedHost;
let issuer: EntraIssuer;
beforeAll(async () => {
  issuer = await EntraIssuer.start();
  host = await startGuardedHost(issuer.settings);
});
afterAll(async () => {
  await host.stop();
  await issuer.stop();
});

type Headers = Record<string, string>;
interface Party {
  agentId: string;
  headers: Headers;
}

async function party(role: "worker" | "supervisor" | "admin" | "observer" = "worker"): Promise<Party> {
  const { agentId, token } = await host.agent(role);
  return { agentId, headers: bearer(token) };
}

/** An application of Entra ID with this role, bound to an agent that is registered as that. */
async function application(role: "worker" | "admin" = "worker"): Promise<Party & { credentialId: string }> {
  const [objectId, agentId] = [randomUUID(), `app-${randomUUID()}`];
  const { credentialId } = await host.issue({ kind: "principal", objectId, agentIds: [agentId] });
  await host.services.registry.register({ agentId, role });
  const token = await issuer.token(objectId, ["Agent.Admin", "Agent.Worker", "Agent.Observer"]);
  return { agentId, headers: bearer(token), credentialId };
}

const register = (by: Party, agentId: string, role: string) =>
  host.ask("POST", "/agents", { headers: by.headers, body: { agentId, role } });
const listCredentials = ({ headers }: Party) => host.ask("GET", "/credentials", { headers });
const receive = ({ agentId, headers }: Party, waitSeconds = 20) =>
  host.ask("POST", `/agents/${agentId}/messages/receive`, { headers, body: { waitSeconds } });

async function send(receiver: string): Promise<void> {
  const sender = await party("admin");
  const body = { sender: sender.agentId, receiver, type: "query", payload: { secret: 1 } };
  expect((await host.ask("POST", "/messages", { headers: sender.headers, body })).status).toBe(202);
}

/** Resolves when a poll that `poll` begins has claimed nothing, and waits. */
async function waiting(poll: () => Promise<{ status: number; code: string; text: string }>) {
  const { store } = host.services;
  const { claimMessages } = store;
  let claims = 0;
  store.claimMessages = async (claim) => {
    const claimed = await claimMessages(claim);
    claims += 1;
    return claimed;
  };
  const answer = poll();
  await until("the poll has looked, and waits", () => claims === 1);
  store.claimMessages = claimMessages;
  return { answer };
}

describe("an admin who has been demoted", () => {
  it.each([
    ["with a token", () => party("admin")],
    ["as an application", () => application("admin")],
  ])("%s is none any more in this process, and promotes neither itself nor others", async (_, make) => {
    const [root, demoted] = [await party("admin"), await make()];
    expect((await listCredentials(demoted)).status).toBe(200);
    expect((await register(root, demoted.agentId, "worker")).status).toBe(200);
    expect((await listCredentials(demoted)).code).toBe("FORBIDDEN");
    for (const agentId of [demoted.agentId, `helper-${randomUUID()}`]) {
      expect((await register(demoted, agentId, "admin")).code).toBe("FORBIDDEN");
    }
    expect((await register(demoted, demoted.agentId, "worker")).status).toBe(200);
  });

  it.each([
    ["with a token", () => party("admin")],
    ["as an application", () => application("admin")],
  ])("%s by another process gives and takes no rights here, although others may be read for 5 s", async (_, make) => {
    const demoted = await make();
    const victim = await host.agent("admin");
    expect((await listCredentials(demoted)).status).toBe(200);
    const asWorker = { agentId: demoted.agentId, role: "worker" as const, capabilities: [], maxConcurrentTasks: 1 };
    await host.services.store.registerAgent(asWorker);
    const { headers } = demoted;
    const issue = { kind: "token", agentId: victim.agentId };
    const codes = [
      (await register(demoted, demoted.agentId, "admin")).code,
      (await host.ask("POST", "/credentials", { headers, body: issue })).code,
      (await host.ask("DELETE", `/credentials/${victim.credentialId}`, { headers })).code,
      (await host.ask("DELETE", `/agents/${victim.agentId}`, { headers })).code,
    ];
    expect(codes).toEqual(["FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"]);
    host.clock.advance(5_000);
    expect((await listCredentials(demoted)).code).toBe("FORBIDDEN");
  });

  it("who is made an admin again is one at once", async () => {
    const [root, agent] = [await party("admin"), await party("worker")];
    expect((await listCredentials(agent)).code).toBe("FORBIDDEN");
    expect((await register(root, agent.agentId, "admin")).status).toBe(200);
    expect((await listCredentials(agent)).status).toBe(200);
  });
});

describe("a long poll", () => {
  it.each([
    ["with a token", () => party()],
    ["of an application", () => application()],
  ])("%s gives nothing to a worker that has become an observer", async (_, make) => {
    const [root, worker] = [await party("admin"), await make()];
    const { answer } = await waiting(() => receive(worker));
    expect((await register(root, worker.agentId, "observer")).status).toBe(200);
    await send(worker.agentId);
    const { code, text } = await answer;
    expect([code, text.includes("secret")]).toEqual(["FORBIDDEN", false]);
  });

  it("of an application gives nothing after its binding was revoked", async () => {
    const worker = await application();
    const { answer } = await waiting(() => receive(worker));
    await host.services.credentials.revoke(worker.credentialId);
    await send(worker.agentId);
    const { code, text } = await answer;
    expect([code, text.includes("secret")]).toEqual(["FORBIDDEN", false]);
  });

  it("gives nothing to an agent that was deregistered meanwhile", async () => {
    const [root, worker] = [await party("admin"), await party()];
    const { answer } = await waiting(() => receive(worker));
    await send(worker.agentId);
    expect((await answer).status).toBe(200);
    const second = await waiting(() => receive(worker));
    expect((await host.ask("DELETE", `/agents/${worker.agentId}`, { headers: root.headers })).status).toBe(200);
    host.clock.advance(1_000);
    expect((await second.answer).code).toBe("AGENT_DEREGISTERED");
  });

  const queue = async (member: Party, grant: Record<string, unknown>) => {
    const root = await party("admin");
    const name = `queue-${randomUUID()}`;
    const body = { name, kind: "work_queue", grants: [grant] };
    expect((await host.ask("POST", "/channels", { headers: root.headers, body })).status).toBe(201);
    const poll = () =>
      host.ask("POST", `/channels/${name}/messages/receive`, {
        headers: member.headers,
        body: { agentId: member.agentId, waitSeconds: 20 },
      });
    return { root, name, poll };
  };

  it("of a work queue gives nothing to an agent that lost the grant, or the role that had it", async () => {
    const [one, other] = [await party(), await party("supervisor")];
    const first = await queue(one, { agentId: one.agentId, post: true, read: true, manage: false });
    const ofOne = await waiting(first.poll);
    const nothing = { agentId: one.agentId, post: false, read: false, manage: false };
    const grants = `/channels/${first.name}/grants`;
    const taken = await host.ask("PUT", grants, { headers: first.root.headers, body: nothing });
    expect(taken.status).toBe(200);
    await send(`#${first.name}`);
    expect((await ofOne.answer).code).toBe("CHANNEL_FORBIDDEN");

    const second = await queue(other, { role: "supervisor", post: true, read: true, manage: false });
    const ofOther = await waiting(second.poll);
    expect((await register(second.root, other.agentId, "worker")).status).toBe(200);
    await send(`#${second.name}`);
    expect((await ofOther.answer).code).toBe("CHANNEL_FORBIDDEN");
  });
});
