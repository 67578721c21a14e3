import { createHash, randomBytes, randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { exportSPKI, generateKeyPair } from "jose";
import { EntraIssuer, type TokenChanges } from "../../support/entra-issuer.ts";
import { until } from "../../support/poll.ts";
import { type RequiredProcess, startRequiredProcess } from "../../support/required-process.ts";

/** Credentials that are stolen, spent, revoked, forged, replayed or confused, against a real process: each gets nothing. */

let host: RequiredProcess;
let issuer: EntraIssuer;
let victim: { agentId: string; token: string };

beforeAll(async () => {
  issuer = await EntraIssuer.start();
  // The kit shows more wrong credentials than a minute allows.
  host = await startRequiredProcess({ ...issuer.settings, AGENT_BAD_CREDENTIALS_PER_SOURCE: "0" });
  victim = await host.agent("victim");
});
afterAll(async () => {
  await host.stop();
  await issuer.stop();
});

interface Shown {
  status: number;
  text: string;
  challenge: string | null;
}

async function show(
  authorization: string,
  agentId = victim.agentId,
  extra: Record<string, string> = {},
): Promise<Shown> {
  const answer = await fetch(`${host.baseUrl}/agents/${agentId}/heartbeat`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", ...extra },
    body: "{}",
  });
  return { status: answer.status, text: await answer.text(), challenge: answer.headers.get("www-authenticate") };
}

const showToken = (token: string, agentId?: string, extra?: Record<string, string>) =>
  show(`Bearer ${token}`, agentId, extra);

/** A token of this id and secret, well made in every way that can be computed. */
function forge(prefix: "agt" | "enr", credentialId: string, secret: string): string {
  const body = `${prefix}_${credentialId}_${secret}`;
  return `${body}_${crc32(body).toString(16).padStart(8, "0")}`;
}

function partsOf(token: string): { credentialId: string; secret: string } {
  const [, credentialId = "", secret = ""] = /^agt_([0-9a-f-]{36})_(.{43})_/.exec(token) ?? [];
  return { credentialId, secret };
}

const newSecretText = () => randomBytes(32).toString("base64url");

describe("an agent's token", () => {
  it("that is stolen is that one agent, and ends with its revocation", async () => {
    const robbed = await host.agent("robbed");
    expect((await showToken(robbed.token, "robbed")).status).toBe(200);
    expect((await showToken(robbed.token)).status).toBe(403);
    expect((await showToken(robbed.token, victim.agentId, { "x-agent-id": victim.agentId })).status).toBe(403);
    await host.admin.revokeCredential(partsOf(robbed.token).credentialId);
    expect((await showToken(robbed.token, "robbed")).status).toBe(401);
    await expect(robbed.client.registerAgent({ agentId: "robbed", role: "worker" })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  });

  it("that is stolen does not breed tokens faster than they are revoked, and holds up no other agent's renewal", async () => {
    const [robbed, other] = await Promise.all([host.agent("breeder"), host.agent("bystander")]);
    const renew = (token: string, agentId: string) =>
      fetch(`${host.baseUrl}/agents/${agentId}/token`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      });
    const renewals = await Promise.all(Array.from({ length: 40 }, () => renew(robbed.token, "breeder")));
    const refused = renewals.filter(({ status }) => status === 429);
    // 20 at once, and one every ten seconds.
    expect(refused.length).toBeGreaterThan(10);
    expect(renewals.length - refused.length).toBeGreaterThanOrEqual(20);
    expect(Number(refused[0]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await renew(other.token, "bystander")).status).toBe(201);
  });

  it("that has expired is nothing", async () => {
    const { secret = "" } = await host.admin.issueCredential({
      kind: "token",
      agentId: victim.agentId,
      expiresInSeconds: 2,
    });
    expect((await showToken(secret)).status).toBe(200);
    await until("the token has expired", async () => (await showToken(secret)).status === 401);
  });

  it("that was replaced before it was used is nothing", async () => {
    const { secret = "" } = await host.admin.issueCredential({
      kind: "enrolment",
      roles: ["worker"],
      agentIdPrefix: "replaced-",
      maxUses: 1,
      expiresInSeconds: 600,
    });
    const enrol = () =>
      host.client(secret).registerAgent({ agentId: "replaced-1", role: "worker" }, { idempotencyKey: "again" });
    const [first, second] = [await enrol(), await enrol()];
    expect((await showToken(first.token ?? "", "replaced-1")).status).toBe(401);
    expect((await showToken(second.token ?? "", "replaced-1")).status).toBe(200);
    await expect(enrol()).rejects.toMatchObject({ code: "ID_TAKEN" });
  });

  it("that is forged is refused in the same words, whatever was right in it", async () => {
    const { credentialId, secret } = partsOf(victim.token);
    const other = partsOf((await host.agent("other")).token);
    const hash = createHash("sha256").update(secret).digest("base64url");
    const forged = [
      forge("agt", credentialId, newSecretText()),
      forge("agt", credentialId, other.secret),
      forge("agt", other.credentialId, secret),
      forge("agt", credentialId, hash),
      forge(
        "agt",
        credentialId.replace(/^./, (first) => (first === "0" ? "1" : "0")),
        secret,
      ),
      forge("agt", credentialId.toUpperCase(), secret),
      forge("enr", credentialId, secret),
      `${victim.token}x`,
      victim.token.slice(0, -1),
      victim.token.toUpperCase(),
      victim.token.replace("agt_", "agt__"),
      `${victim.token.slice(0, -8)}00000000`,
    ];
    const answers = new Set<string>();
    for (const token of forged) {
      const { status, text, challenge } = await showToken(token);
      expect([token === victim.token, status, challenge]).toEqual([false, 401, 'Bearer error="invalid_token"']);
      answers.add(text);
    }
    expect(answers.size).toBe(1);
    expect((await showToken(victim.token)).status).toBe(200);
  });

  it("makes nobody an admin, nor another kind of credential", async () => {
    const { secret = "" } = await host.admin.issueCredential({
      kind: "enrolment",
      roles: ["worker", "supervisor", "observer"],
      agentIdPrefix: "fleet-",
      maxUses: 100,
      expiresInSeconds: 600,
    });
    const enrolling = host.client(secret);
    for (const role of ["admin", "worker"] as const) {
      for (const agentId of [victim.agentId, "admin", "system", "fleet-1/../admin", "Fleet-1", "xfleet-1"]) {
        const answer = await enrolling.registerAgent({ agentId, role }).catch((error: { code: string }) => error.code);
        expect(["FORBIDDEN", "INVALID_REQUEST", "ID_TAKEN"]).toContain(answer);
      }
    }
    expect((await showToken(secret)).status).toBe(403);
    expect(
      (await showToken(forge("agt", partsOf(secret.replace("enr_", "agt_")).credentialId, newSecretText()))).status,
    ).toBe(401);
  });
});

describe("an Entra ID token", () => {
  const objectId = randomUUID();
  beforeAll(async () => {
    await host.agent("application");
    await host.admin.issueCredential({ kind: "principal", objectId, agentIds: ["application"] });
  });

  const token = (changes?: TokenChanges) => issuer.token(objectId, ["Agent.Worker"], changes);
  const statusOf = async (changes?: TokenChanges) => (await showToken(await token(changes), "application")).status;

  it("that is good lets in, so that the others are refused for what is wrong with them", async () => {
    expect(await statusOf()).toBe(200);
    expect((await showToken(await token())).status).toBe(403);
    const wanted = { "x-agent-id": victim.agentId };
    expect((await showToken(await token(), victim.agentId, wanted)).status).toBe(403);
  });

  it.each<[string, TokenChanges]>([
    ["has expired", { expiresIn: -120 }],
    ["is not valid yet", { notBefore: 120 }],
    ["is of another issuer", { claims: { iss: "https://login.microsoftonline.com/common/v2.0" } }],
    ["is for another audience", { claims: { aud: "00000003-0000-0000-c000-000000000000" } }],
    ["belongs to another tenant", { claims: { tid: randomUUID() } }],
    ["is a user's", { claims: { scp: "user_impersonation", idtyp: undefined } }],
    ["is a user's ID token", { claims: { idtyp: undefined, sub: "abc", nonce: "1" } }],
    ["names a key that is not there", { header: { kid: randomUUID() } }],
  ])("that %s is refused", async (_, changes) => {
    expect(await statusOf(changes)).toBe(401);
  });

  it("is refused with another algorithm than RS256, or with a key that it brings along", async () => {
    const secret = new TextEncoder().encode(await exportSPKI(issuer.publicKey));
    expect(await statusOf({ header: { alg: "HS256" }, key: secret })).toBe(401);
    const own = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await crypto.subtle.exportKey("jwk", own.publicKey)), kid: issuer.keyId };
    expect(await statusOf({ header: { jwk, jku: `${issuer.authority}/own` }, key: own.privateKey })).toBe(401);
    expect(issuer.asked).not.toContain("/own");
    const { privateKey } = await generateKeyPair("ES256");
    expect(await statusOf({ header: { alg: "ES256" }, key: privateKey })).toBe(401);
    const [, body = ""] = (await token()).split(".");
    for (const alg of ["none", "None", "NONE"]) {
      const head = Buffer.from(JSON.stringify({ alg, typ: "JWT" })).toString("base64url");
      for (const signature of ["", "AA"]) {
        expect((await showToken(`${head}.${body}.${signature}`, "application")).status).toBe(401);
      }
    }
  });

  it("gives no more than its app roles, whatever it was changed to", async () => {
    const [head = "", body = "", signature = ""] = (await token()).split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const raised = Buffer.from(JSON.stringify({ ...claims, roles: ["Agent.Admin"] })).toString("base64url");
    expect((await showToken(`${head}.${raised}.${signature}`, "application")).status).toBe(401);
    const client = host.client(await token());
    await expect(client.listCredentials()).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(client.registerAgent({ agentId: "application", role: "admin" })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    const unbound = await issuer.token(randomUUID(), ["Agent.Supervisor", "Agent.Worker"]);
    await expect(host.client(unbound).listAgents()).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("a flood of wrong credentials", () => {
  it("is answered, then limited, and locks out no right one of the same source, not even after a restart", async () => {
    const guarded = await startRequiredProcess({ AGENT_TRUSTED_PROXIES: "1", AGENT_BAD_CREDENTIALS_PER_SOURCE: "10" });
    const before = guarded.output();
    const ask = (from: string, token: string) =>
      fetch(`${guarded.baseUrl}/agents`, {
        headers: { authorization: `Bearer ${token}`, "x-forwarded-for": `${randomUUID()}, ${from}` },
      }).then(({ status }) => status);
    const guess = () => forge("agt", randomUUID().replace(/-4/, "-7"), newSecretText());
    const flood = Array.from({ length: 300 }, () => ask("203.0.113.66", guess()));
    // It was not used in this process: its look-up is one among 300 others.
    expect(await ask("203.0.113.66", guarded.adminToken)).toBe(200);
    expect(new Set(await Promise.all(flood))).toEqual(new Set([401, 429]));
    for (let n = 0; n < 20; n += 1) {
      expect([await ask("203.0.113.66", guess()), await ask("203.0.113.66", guarded.adminToken)]).toEqual([429, 200]);
    }
    expect(await ask("203.0.113.7", guarded.adminToken)).toBe(200);
    const lines = guarded.output().slice(before.length).trim().split("\n");
    expect(lines.length).toBeLessThanOrEqual(2 * 21);
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({ event: "credential refused", source: "203.0.113.66" });
    }
    await guarded.stop();
  });
});
