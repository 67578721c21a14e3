import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { exportSPKI, generateKeyPair } from "jose";
import { readConfig } from "../../../src/lib/config/config.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { EntraTokenVerifier } from "../../../src/lib/security/entra-tokens.ts";
import { EntraIssuer, type TokenChanges } from "../../support/entra-issuer.ts";

const OBJECT = randomUUID();

let issuer: EntraIssuer;
beforeAll(async () => {
  issuer = await EntraIssuer.start();
});
afterAll(() => issuer.stop());

function verifier(clock = new OffsetClock(), of = issuer): EntraTokenVerifier {
  const { entra } = readConfig({ AGENT_AUTH_MODE: "required", ...of.settings }).security;
  if (entra === undefined) throw new Error("Entra ID is configured");
  return new EntraTokenVerifier(entra, clock);
}

async function codeOf(token: string, using = verifier()): Promise<string> {
  try {
    await using.verify(token);
    return "accepted";
  } catch (error) {
    if (isAgentCommunicationError(error)) return error.code;
    throw error;
  }
}

const workerToken = (changes?: TokenChanges) => issuer.token(OBJECT, ["Agent.Worker"], changes);

describe("an Entra ID token", () => {
  it("of an application is its object id and its app roles, in our order; other roles mean nothing", async () => {
    const token = await issuer.token(OBJECT.toUpperCase(), ["Reader", "Agent.Observer", "Agent.Worker", "Agent.Admin"]);
    expect(await verifier().verify(token)).toEqual({ objectId: OBJECT, roles: ["admin", "worker", "observer"] });
  });

  it("without idtyp is an application's when it has no scopes and its subject is the application", async () => {
    expect(await codeOf(await workerToken({ claims: { idtyp: undefined } }))).toBe("accepted");
    expect(await codeOf(await workerToken({ claims: { idtyp: undefined, sub: undefined } }))).toBe("accepted");
  });

  it.each<[string, TokenChanges]>([
    ["of a user, by its scopes", { claims: { scp: "access_as_user", idtyp: undefined } }],
    ["of a user, by its scopes, that says that it is an application's", { claims: { scp: "x" } }],
    ["of a user, by its type", { claims: { idtyp: "user" } }],
    ["of a user, by its subject: an ID token", { claims: { idtyp: undefined, sub: "pairwise", nonce: "n" } }],
    ["of another issuer", { claims: { iss: "https://login.example.com/x/v2.0" } }],
    ["of version 1", { claims: { iss: "https://sts.windows.net/x/", ver: "1.0" } }],
    ["for another audience", { claims: { aud: randomUUID() } }],
    ["for no audience", { claims: { aud: undefined } }],
    ["of another tenant", { claims: { tid: randomUUID() } }],
    ["without a tenant", { claims: { tid: undefined } }],
    ["without an object id", { claims: { oid: undefined } }],
    ["without an end", { claims: { exp: undefined } }],
    ["that has expired", { expiresIn: -61 }],
    ["that is not valid yet", { notBefore: 61 }],
    ["that names a key that nobody has", { header: { kid: "no-such-key" } }],
    ["that names extensions we do not know", { header: { crit: ["exp2"], exp2: 1 } }],
  ])("%s is refused", async (_, changes) => {
    expect(await codeOf(await workerToken(changes))).toBe("UNAUTHENTICATED");
  });

  it.each<[string, TokenChanges]>([
    ["belongs to another tenant", { claims: { tid: randomUUID() } }],
    ["belongs to another tenant", { claims: { oid: "no id" } }],
    ["belongs to a user; only applications are accepted", { claims: { scp: "x" } }],
    ["has expired", { expiresIn: -61 }],
    ["does not have the aud that this service requires", { claims: { aud: randomUUID() } }],
    ["does not have the iss that this service requires", { claims: { iss: "https://login.example.com" } }],
    ["does not have the exp that this service requires", { claims: { exp: undefined } }],
    ["does not have the nbf that this service requires", { notBefore: 61 }],
    ["is not valid here", { header: { kid: "no-such-key" } }],
  ])("is told why: it %s", async (reason, changes) => {
    await expect(verifier().verify(await workerToken(changes))).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: `The access token ${reason}.`,
      challenge: "invalid_token",
    });
  });

  it("of a tenant that is written in capitals is of this one all the same", async () => {
    expect(await codeOf(await workerToken({ claims: { tid: issuer.tenant.toUpperCase() } }))).toBe("accepted");
    const sub = OBJECT.toUpperCase();
    expect(await codeOf(await workerToken({ claims: { idtyp: undefined, sub } }))).toBe("accepted");
  });

  it("without an app role of ours is told which there are", async () => {
    await expect(verifier().verify(await issuer.token(OBJECT, ["Reader"]))).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "The application has none of the app roles Agent.Admin, Agent.Supervisor, Agent.Worker, Agent.Observer.",
    });
    const all = ["Agent.Observer", "Agent.Worker", "Agent.Supervisor", "Agent.Admin"];
    const { roles } = await verifier().verify(await issuer.token(OBJECT, all));
    expect(roles).toEqual(["admin", "supervisor", "worker", "observer"]);
  });

  it("within the leeway of clocks is accepted", async () => {
    expect(await codeOf(await workerToken({ expiresIn: -55 }))).toBe("accepted");
    expect(await codeOf(await workerToken({ notBefore: 55 }))).toBe("accepted");
  });

  it("ends by the clock, not by when it was first seen", async () => {
    const clock = new OffsetClock();
    const one = verifier(clock);
    const token = await workerToken({ expiresIn: 300 });
    expect(await codeOf(token, one)).toBe("accepted");
    clock.advance(361_000);
    expect(await codeOf(token, one)).toBe("UNAUTHENTICATED");
  });

  it("is refused with any other algorithm: none, the public key as a secret, another kind of key", async () => {
    const [head = "", body = ""] = (await workerToken()).split(".");
    const unsigned = Buffer.from(JSON.stringify({ alg: "none", typ: "JWT" })).toString("base64url");
    expect(await codeOf(`${unsigned}.${body}.`)).toBe("UNAUTHENTICATED");
    expect(await codeOf(`${head}.${body}.`)).toBe("UNAUTHENTICATED");
    const pem = new TextEncoder().encode(await exportSPKI(issuer.publicKey));
    expect(await codeOf(await workerToken({ header: { alg: "HS256" }, key: pem }))).toBe("UNAUTHENTICATED");
    for (const alg of ["ES256", "RS384", "PS256", "EdDSA"]) {
      const { privateKey } = await generateKeyPair(alg);
      expect(await codeOf(await workerToken({ header: { alg }, key: privateKey }))).toBe("UNAUTHENTICATED");
    }
  });

  it("is refused with a signature of somebody else, or with changed claims", async () => {
    const { privateKey } = await generateKeyPair("RS256");
    expect(await codeOf(await workerToken({ key: privateKey }))).toBe("UNAUTHENTICATED");
    const [head = "", body = "", signature = ""] = (await workerToken()).split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, roles: ["Agent.Admin"] })).toString("base64url");
    expect(await codeOf(`${head}.${changed}.${signature}`)).toBe("UNAUTHENTICATED");
  });

  it("brings its own key in vain", async () => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await crypto.subtle.exportKey("jwk", publicKey)), kid: issuer.keyId };
    const header = { jwk, jku: `${issuer.authority}/mine`, kid: undefined };
    expect(await codeOf(await workerToken({ header, key: privateKey }))).toBe("UNAUTHENTICATED");
    expect(issuer.asked).not.toContain("/mine");
  });

  it("that is none is refused", async () => {
    const texts = [
      "",
      "eyJ",
      "a.b.c",
      "eyJhbGciOiJSUzI1NiJ9.e30.x",
      `eyJ${"A".repeat(9_000)}.e30.AA`,
      "..",
      "e30.e30.e30",
    ];
    for (const text of texts) expect([text, await codeOf(text)]).toEqual([text, "UNAUTHENTICATED"]);
  });

  it("without one of our app roles is forbidden", async () => {
    for (const roles of [[], ["Reader"], ["agent.admin"], ["Agent.Root"]]) {
      expect(await codeOf(await issuer.token(OBJECT, roles))).toBe("FORBIDDEN");
    }
    expect(await codeOf(await workerToken({ claims: { roles: undefined } }))).toBe("FORBIDDEN");
  });
});

describe("the keys of Entra ID", () => {
  it("are asked for once, and again for a key id that is new, at a bounded rate", async () => {
    const own = await EntraIssuer.start();
    const one = verifier(new OffsetClock(), own);
    for (let n = 0; n < 20; n += 1)
      expect(await codeOf(await own.token(OBJECT, ["Agent.Worker"]), one)).toBe("accepted");
    expect(own.asked).toEqual([`/${own.tenant}/discovery/v2.0/keys`]);
    const strangers = Array.from({ length: 50 }, (_, n) => own.token(OBJECT, [], { header: { kid: `stranger-${n}` } }));
    for (const token of await Promise.all(strangers)) expect(await codeOf(token, one)).toBe("UNAUTHENTICATED");
    expect(own.asked.length).toBeLessThanOrEqual(2);
    await own.stop();
  });

  it("that cannot be had let nobody in; they are not asked for again at once, but later they are", async () => {
    const own = await EntraIssuer.start();
    const token = await own.token(OBJECT, ["Agent.Worker"]);
    const clock = new OffsetClock();
    const one = verifier(clock, own);
    const answers = [
      { status: 500, body: "{}" },
      { status: 302, body: "" },
      { status: 200, body: "<html>" },
      { status: 200, body: '{"keys":"none"}' },
    ];
    for (const broken of answers) {
      own.broken = broken;
      clock.advance(60_000);
      expect([await codeOf(token, one), JSON.stringify(broken)]).toEqual([
        "IDENTITY_UNAVAILABLE",
        JSON.stringify(broken),
      ]);
    }
    own.broken = { status: 500, body: "" };
    clock.advance(60_000);
    const before = own.asked.length;
    for (let n = 0; n < 20; n += 1) expect(await codeOf(token, one)).toBe("IDENTITY_UNAVAILABLE");
    await expect(one.verify(token)).rejects.toMatchObject({ retryAfterSeconds: 5 });
    expect(own.asked.length).toBe(before + 1);
    own.broken = undefined;
    clock.advance(4_000);
    expect(await codeOf(token, one)).toBe("IDENTITY_UNAVAILABLE");
    clock.advance(2_000);
    expect(await codeOf(token, one)).toBe("accepted");
    await own.stop();
    expect(await codeOf(token, one)).toBe("accepted");
    expect(await codeOf(token, verifier(new OffsetClock(), own))).toBe("IDENTITY_UNAVAILABLE");
  });
});
