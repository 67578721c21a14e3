import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentRegistry } from "../../../src/lib/domain/agents/agent-registry.ts";
import { CredentialRegistry } from "../../../src/lib/domain/credentials/credential-registry.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { isInScope } from "../../../src/lib/model/credential.ts";
import { AgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import { newSecret } from "../../../src/lib/security/token.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { caught, DAY, eventually, HOUR, MINUTE, SECOND } from "../../contract/support.ts";

/** Two processes on one database file: each has its own connection, registry and cache; time is the same for both. */

let directory = "";
let file = "";
let clock: OffsetClock;
let here: Side;
let there: Side;

interface Side {
  store: Store;
  credentials: CredentialRegistry;
  registry: AgentRegistry;
  /** Look-ups that reached the store. */
  asked(): number;
}

function side(): Side {
  const store = openSqliteStore({ file, settings: CALM_SETTINGS, clock });
  let asked = 0;
  const counting: Store = {
    ...store,
    findCredential(lookup) {
      asked += 1;
      return store.findCredential(lookup);
    },
  };
  return {
    store,
    credentials: new CredentialRegistry({ store: counting }),
    registry: new AgentRegistry({ store, heartbeatIntervalSeconds: 30 }),
    asked: () => asked,
  };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
  file = join(directory, "agents.db");
  clock = new OffsetClock();
  here = side();
  there = side();
  await here.registry.register({ agentId: "w-1", role: "worker" });
});

afterEach(async () => {
  await here.store.close();
  await there.store.close();
  await rm(directory, { recursive: true, force: true });
});

async function issueToken(expiresInSeconds?: number) {
  const { credential, secret = "" } = await here.credentials.issue({ kind: "token", agentId: "w-1", expiresInSeconds });
  return { credentialId: credential.credentialId, token: secret };
}

describe("a token", () => {
  it("proves its agent, with the role and the status that it has", async () => {
    const { credentialId, token } = await issueToken();
    const agent = { credentialId, agentId: "w-1", role: "worker", agentStatus: "active" };
    expect(await here.credentials.verifyToken(token)).toEqual(agent);
    expect(await there.credentials.verifyToken(token)).toEqual(agent);
    await here.registry.register({ agentId: "w-1", role: "supervisor" });
    await here.registry.deregister("w-1");
    clock.advance(5 * SECOND);
    const later = { credentialId, agentId: "w-1", role: "supervisor", agentStatus: "deregistered" };
    expect(await here.credentials.verifyToken(token)).toEqual(later);
  });

  it("is nothing with another secret, another id, or in another place", async () => {
    const { credentialId, token } = await issueToken();
    const forged = newSecret("token", credentialId).text;
    const unknown = newSecret("token", newId(0)).text;
    const key = newSecret("enrolment", credentialId).text;
    for (const text of [forged, unknown, key, "", token.slice(0, -1), `${token}x`]) {
      expect([text, await here.credentials.verifyToken(text)]).toEqual([text, undefined]);
    }
    expect(await here.credentials.verifyEnrolmentKey(token)).toBeUndefined();
    expect(await here.credentials.verifyEnrolmentKey(key)).toBeUndefined();
    expect(await here.credentials.verifyToken(token)).toBeDefined();
  });

  it("expires to the moment, cached or not", async () => {
    const { token } = await issueToken(3_600);
    clock.advance(HOUR - SECOND);
    expect(await here.credentials.verifyToken(token)).toBeDefined();
    clock.advance(SECOND);
    expect(await here.credentials.verifyToken(token)).toBeUndefined();
    expect(await there.credentials.verifyToken(token)).toBeUndefined();
  });

  it("rotates with overlap", async () => {
    const [old, next] = [await issueToken(), await issueToken()];
    expect(await here.credentials.verifyToken(old.token)).toBeDefined();
    expect(await here.credentials.verifyToken(next.token)).toBeDefined();
    await here.credentials.revoke(old.credentialId);
    expect(await here.credentials.verifyToken(old.token)).toBeUndefined();
    expect(await here.credentials.verifyToken(next.token)).toBeDefined();
  });

  it("is in no row of the database, nor anywhere in its files", async () => {
    const { token } = await issueToken();
    const key = await here.credentials.issue({
      kind: "enrolment",
      roles: ["worker"],
      agentIdPrefix: "w-",
      maxUses: 1,
      expiresInSeconds: 60,
    });
    await here.credentials.verifyToken(token);
    const bytes = [file, `${file}-wal`].map((path) => readFileSync(path, "latin1")).join("");
    expect(bytes).toContain("w-1");
    for (const text of [token, key.secret ?? ""]) expect(bytes).not.toContain(text.slice(41, 84));
    expect(JSON.stringify(await here.credentials.list())).not.toContain(token.slice(41, 84));
  });
});

describe("a revocation", () => {
  it("takes effect at once where it is made, and everywhere else within 5 s", async () => {
    const { credentialId, token } = await issueToken();
    expect(await here.credentials.verifyToken(token)).toBeDefined();
    expect(await there.credentials.verifyToken(token)).toBeDefined();
    await here.credentials.revoke(credentialId);
    expect(await here.credentials.verifyToken(token)).toBeUndefined();
    clock.advance(5 * SECOND);
    expect(await there.credentials.verifyToken(token)).toBeUndefined();
  });

  it("reaches a process that is asked all the time", async () => {
    const { credentialId, token } = await issueToken();
    let refusedAfter: number | undefined;
    await here.credentials.revoke(credentialId);
    const from = clock.now();
    while (refusedAfter === undefined && clock.now() - from < MINUTE) {
      if ((await there.credentials.verifyToken(token)) === undefined) refusedAfter = clock.now() - from;
      clock.advance(500);
    }
    expect(refusedAfter).toBeLessThanOrEqual(5 * SECOND);
  });

  it("is not undone by a look-up that began before it", async () => {
    const { credentialId, token } = await issueToken();
    // One turn of the loop apart: the look-up has read the row when the revocation commits.
    const [before] = await Promise.all([here.credentials.verifyToken(token), here.credentials.revoke(credentialId)]);
    expect([undefined, "w-1"]).toContain(before?.agentId);
    expect(await here.credentials.verifyToken(token)).toBeUndefined();
  });

  it("of an enrolment key leaves the tokens that it brought", async () => {
    const key = await enrolmentKey();
    const { token = "" } = await enrol(here, key.credentialId, "w-2");
    await here.credentials.revoke(key.credentialId);
    expect(await here.credentials.verifyEnrolmentKey(key.secret)).toBeUndefined();
    expect(await here.credentials.verifyToken(token)).toMatchObject({ agentId: "w-2" });
  });
});

describe("look-ups", () => {
  it("are shared by concurrent calls, and kept for less than 5 s", async () => {
    const { token } = await issueToken();
    const verify = () => here.credentials.verifyToken(token);
    const all = await Promise.all([verify(), verify(), verify(), verify()]);
    expect(new Set(all.map((agent) => agent?.agentId))).toEqual(new Set(["w-1"]));
    await verify();
    expect(here.asked()).toBe(1);
    clock.advance(5 * SECOND);
    await verify();
    expect(here.asked()).toBe(2);
  });

  it("of what is not there cost the store as little", async () => {
    const unknown = newSecret("token", newId(0)).text;
    for (let n = 0; n < 20; n += 1) expect(await here.credentials.verifyToken(unknown)).toBeUndefined();
    for (let n = 0; n < 20; n += 1) expect(await here.credentials.verifyToken(`agt_${n}`)).toBeUndefined();
    expect(here.asked()).toBe(1);
  });

  it("are bounded: of what is not there the oldest is asked for again, and what is there stays", async () => {
    const { token } = await issueToken();
    await here.credentials.verifyToken(token);
    const guesses = Array.from({ length: 10_001 }, () => newSecret("token", newId(0)).text);
    for (const guess of guesses) await here.credentials.verifyToken(guess);
    const asked = here.asked();
    await here.credentials.verifyToken(guesses.at(-1) ?? "");
    expect(await here.credentials.verifyToken(token)).toBeDefined();
    expect(here.asked()).toBe(asked);
    await here.credentials.verifyToken(guesses[0] ?? "");
    expect(here.asked()).toBe(asked + 1);
  });

  it("that failed are no answer", async () => {
    const { token } = await issueToken();
    let fails = true;
    const away = new AgentCommunicationError("STORE_UNAVAILABLE", "The database is away.");
    const credentials = new CredentialRegistry({
      store: {
        ...here.store,
        findCredential: (lookup) => (fails ? Promise.reject(away) : here.store.findCredential(lookup)),
      },
    });
    expect(await caught(credentials.verifyToken(token))).toBe("STORE_UNAVAILABLE");
    fails = false;
    expect(await credentials.verifyToken(token)).toBeDefined();
  });

  it("do not live longer when the clock is set back", async () => {
    const { credentialId, token } = await issueToken();
    let ahead = HOUR;
    const credentials = new CredentialRegistry({ store: { ...here.store, now: () => here.store.now() + ahead } });
    expect(await credentials.verifyToken(token)).toBeDefined();
    ahead = 0;
    await there.credentials.revoke(credentialId);
    expect(await credentials.verifyToken(token)).toBeUndefined();
  });
});

describe("a use", () => {
  const usedAt = async (credentialId: string) =>
    (await there.store.findCredential({ credentialId }))?.credential.lastUsedAt;

  it("is durable before the first call is served, and written once a day after that", async () => {
    const { credentialId, token } = await issueToken();
    expect(await usedAt(credentialId)).toBeUndefined();
    await here.credentials.verifyToken(token);
    const first = await usedAt(credentialId);
    expect(first).toBeDefined();
    clock.advance(23 * HOUR);
    await here.credentials.verifyToken(token);
    expect(await usedAt(credentialId)).toBe(first);
    clock.advance(61 * MINUTE);
    await here.credentials.verifyToken(token);
    await eventually(async () => (await usedAt(credentialId)) !== first);
  });

  it("that cannot be written refuses the first call, and no later one", async () => {
    const { token } = await issueToken();
    let fails = true;
    const away = new AgentCommunicationError("STORE_UNAVAILABLE", "The database is away.");
    const credentials = new CredentialRegistry({
      store: {
        ...here.store,
        recordCredentialUse: (ids) => (fails ? Promise.reject(away) : here.store.recordCredentialUse(ids)),
      },
    });
    expect(await caught(credentials.verifyToken(token))).toBe("STORE_UNAVAILABLE");
    fails = false;
    expect(await credentials.verifyToken(token)).toBeDefined();
    fails = true;
    clock.advance(2 * DAY);
    expect(await credentials.verifyToken(token)).toBeDefined();
  });
});

describe("disuse", () => {
  const idle = async (idleDays: number) => {
    const { credential, secret = "" } = await here.credentials.issue({ kind: "token", agentId: "w-1", idleDays });
    return { credentialId: credential.credentialId, token: secret };
  };

  it("ends a token that was never used, cached or not, at the latest a day later than was said", async () => {
    const { token } = await idle(2);
    clock.advance(3 * DAY - SECOND);
    const fresh = await idle(2);
    expect(await there.credentials.verifyToken(fresh.token)).toBeDefined();
    clock.advance(SECOND);
    expect(await here.credentials.verifyToken(token)).toBeUndefined();
    expect(await there.credentials.verifyToken(token)).toBeUndefined();
  });

  it("never ends what is used on all days but one, though uses are written once a day", async () => {
    const { token } = await idle(1);
    for (let use = 0; use < 6; use += 1) {
      expect(await here.credentials.verifyToken(token)).toBeDefined();
      // Uses are written independently of the call: this write queues behind them.
      await here.registry.heartbeat("w-1");
      clock.advance(23 * HOUR);
    }
    clock.advance(2 * DAY);
    expect(await here.credentials.verifyToken(token)).toBeUndefined();
  });

  it("ends bindings, too, and no enrolment key, whose days are those of its tokens", async () => {
    const certificate = { thumbprint: "ab".repeat(32), subject: "CN=w-1" };
    const { thumbprint } = certificate;
    const objectId = "aaaaaaaa-1111-4222-8333-444444444444";
    await here.credentials.issue({ kind: "certificate", agentId: "w-1", thumbprint, idleDays: 1 });
    await here.credentials.issue({ kind: "principal", objectId, agentIdPrefix: "w-", idleDays: 1 });
    const terms = { roles: ["worker" as const], agentIdPrefix: "w-", maxUses: 1, expiresInSeconds: 864_000 };
    const { secret = "" } = await here.credentials.issue({ kind: "enrolment", ...terms, idleDays: 1 });
    clock.advance(2 * DAY);
    expect(await here.credentials.findCertificate(certificate)).toBeUndefined();
    expect(await here.credentials.findPrincipal(objectId)).toBeUndefined();
    expect(await here.credentials.verifyEnrolmentKey(secret)).toBeDefined();
  });

  it("of 90 days is what an enrolment key gives its tokens, if nothing else is said", async () => {
    const terms = { roles: ["worker" as const], agentIdPrefix: "w-", maxUses: 1, expiresInSeconds: 60 };
    const { credential } = await here.credentials.issue({ kind: "enrolment", ...terms });
    expect(credential).toMatchObject({ idleDays: 90 });
    const { token = "" } = await enrol(here, credential.credentialId, "w-2");
    expect(await here.credentials.verifyToken(token)).toBeDefined();
    clock.advance(90 * DAY);
    expect(await here.credentials.verifyToken(token)).toBeDefined();
    clock.advance(91 * DAY);
    expect(await here.credentials.verifyToken(token)).toBeUndefined();
  });

  it("does not lock out admins: their credentials are not issued with it", async () => {
    await here.registry.register({ agentId: "boss", role: "admin" });
    const token = { kind: "token" as const, agentId: "boss" };
    expect(await caught(here.credentials.issue({ ...token, idleDays: 9 }))).toBe("INVALID_REQUEST");
    const certificate = { kind: "certificate" as const, agentId: "boss", subject: "CN=boss" };
    expect(await caught(here.credentials.issue({ ...certificate, idleDays: 9 }))).toBe("INVALID_REQUEST");
    expect(await caught(here.credentials.issue(token))).toBe("accepted");
  });
});

describe("a renewal", () => {
  it("ends the old token at once where it is first used, and within 5 s elsewhere", async () => {
    const old = await issueToken();
    expect(await here.credentials.verifyToken(old.token)).toBeDefined();
    const { token } = await here.credentials.renew(old.credentialId);
    for (const side of [here, there]) expect(await side.credentials.verifyToken(old.token)).toBeDefined();
    expect(await here.credentials.verifyToken(token)).toMatchObject({ agentId: "w-1" });
    expect(await here.credentials.verifyToken(old.token)).toBeUndefined();
    clock.advance(5 * SECOND);
    expect(await there.credentials.verifyToken(old.token)).toBeUndefined();
    expect(await caught(there.credentials.renew(old.credentialId))).toBe("UNAUTHENTICATED");
    expect(await there.credentials.verifyToken(token)).toMatchObject({ agentId: "w-1" });
  });

  it("that was lost on the way takes nothing: the old one is renewed again", async () => {
    const old = await issueToken();
    await here.credentials.renew(old.credentialId);
    clock.advance(DAY);
    expect(await here.credentials.verifyToken(old.token)).toBeDefined();
    const { token } = await here.credentials.renew(old.credentialId);
    expect(await here.credentials.verifyToken(token)).toBeDefined();
  });

  it("is as narrow as the token that it renews", async () => {
    const bounds = { capabilities: ["python*"], maxConcurrentTasks: 2 };
    const { credential } = await here.credentials.issue({ kind: "token", agentId: "w-1", ...bounds });
    const { token } = await here.credentials.renew(credential.credentialId);
    expect(await here.credentials.verifyToken(token)).toMatchObject({ bounds });
  });
});

async function enrolmentKey(maxUses = 3) {
  const { credential, secret = "" } = await here.credentials.issue({
    kind: "enrolment",
    roles: ["worker"],
    agentIdPrefix: "w-",
    maxUses,
    expiresInSeconds: 3_600,
  });
  return { credentialId: credential.credentialId, secret };
}

function enrol(on: Side, credentialId: string, agentId: string, idempotencyKey?: string) {
  return on.registry.register({ agentId, role: "worker" }, { kind: "enrolment", credentialId, idempotencyKey });
}

describe("an enrolment key", () => {
  it("says what it may do, also when it is used up: a repeat is still to be recognised", async () => {
    const { credentialId, secret } = await enrolmentKey(1);
    const key = { credentialId, roles: ["worker"], agentIdPrefix: "w-" };
    expect(await here.credentials.verifyEnrolmentKey(secret)).toEqual(key);
    const { created, token } = await enrol(here, credentialId, "w-2", "once");
    expect([created, await here.credentials.verifyToken(token ?? "")]).toEqual([
      true,
      expect.objectContaining({ agentId: "w-2", role: "worker" }),
    ]);
    clock.advance(5 * SECOND);
    expect(await here.credentials.verifyEnrolmentKey(secret)).toEqual(key);
    expect(await caught(enrol(here, credentialId, "w-3"))).toBe("UNAUTHENTICATED");
    clock.advance(HOUR);
    expect(await here.credentials.verifyEnrolmentKey(secret)).toBeUndefined();
  });

  it("brings another token after a lost answer, until one is used, whichever process is asked", async () => {
    const { credentialId } = await enrolmentKey(1);
    const first = await enrol(here, credentialId, "w-2", "start-of-w-2");
    const second = await enrol(there, credentialId, "w-2", "start-of-w-2");
    expect(second.created).toBe(true);
    expect(await here.credentials.verifyToken(first.token ?? "")).toBeUndefined();
    expect(await here.credentials.verifyToken(second.token ?? "")).toMatchObject({ agentId: "w-2" });
    expect(await caught(enrol(there, credentialId, "w-2", "start-of-w-2"))).toBe("ID_TAKEN");
  });

  it("replaces a token that the other process has just looked up: it does not count any more", async () => {
    const { credentialId } = await enrolmentKey(1);
    const first = await enrol(here, credentialId, "w-2", "again");
    const id = first.token?.slice(4, 40) ?? "";
    // The look-up is in the cache of the other process, the first use is not yet written.
    const slow = new CredentialRegistry({
      store: {
        ...there.store,
        async recordCredentialUse(ids) {
          await enrol(here, credentialId, "w-2", "again");
          return there.store.recordCredentialUse(ids);
        },
      },
    });
    expect(await slow.verifyToken(first.token ?? "")).toBeUndefined();
    expect(await here.store.findCredential({ credentialId: id })).toBeUndefined();
  });

  it("does not take an Idempotency-Key that is none", async () => {
    const { credentialId } = await enrolmentKey();
    expect(await caught(enrol(here, credentialId, "w-2", "a key, with commas"))).toBe("INVALID_REQUEST");
  });
});

describe("a binding", () => {
  it("of a principal says which agents it may be, and takes effect at once where it is made", async () => {
    const objectId = "AAAAAAAA-1111-4222-8333-444444444444";
    expect(await here.credentials.findPrincipal(objectId)).toBeUndefined();
    const { credential } = await here.credentials.issue({ kind: "principal", objectId, agentIds: ["w-1", "w-7"] });
    const { credentialId } = credential;
    const bound = await here.credentials.findPrincipal(objectId.toLowerCase());
    expect(bound).toEqual({ credentialId, agentIds: ["w-1", "w-7"], agentIdPrefix: undefined });
    expect(["w-1", "w-7", "w-17", ""].map((id) => isInScope(bound ?? {}, id))).toEqual([true, true, false, false]);
    await here.credentials.revoke(credentialId);
    expect(await here.credentials.findPrincipal(objectId)).toBeUndefined();
    await here.credentials.issue({ kind: "principal", objectId, agentIdPrefix: "red-" });
    const other = await here.credentials.findPrincipal(objectId);
    expect(["red-1", "red-", "red", "Red-1", "w-1"].map((id) => isInScope(other ?? {}, id))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(await here.credentials.findPrincipal("nobody")).toBeUndefined();
  });

  it("of a certificate gives its agent", async () => {
    const certificate = { thumbprint: "ab".repeat(32), subject: "CN=w-1,O=Example" };
    expect(await here.credentials.findCertificate(certificate)).toBeUndefined();
    const { subject, thumbprint } = certificate;
    const { credential } = await here.credentials.issue({ kind: "certificate", agentId: "w-1", subject });
    const agent = { agentId: "w-1", role: "worker", agentStatus: "active", credentialId: credential.credentialId };
    expect(await here.credentials.findCertificate(certificate)).toEqual(agent);
    await here.credentials.revoke(credential.credentialId);
    expect(await here.credentials.findCertificate(certificate)).toBeUndefined();
    await here.credentials.issue({ kind: "certificate", agentId: "w-1", thumbprint: thumbprint.toUpperCase() });
    expect(await here.credentials.findCertificate(certificate)).toMatchObject({ agentId: "w-1" });
    expect(await here.credentials.findCertificate({ ...certificate, thumbprint: "cd".repeat(32) })).toBeUndefined();
  });

  it("is read after at most 5 s elsewhere", async () => {
    const certificate = { thumbprint: "ab".repeat(32), subject: "CN=w-1" };
    expect(await there.credentials.findCertificate(certificate)).toBeUndefined();
    await here.credentials.issue({ kind: "certificate", agentId: "w-1", thumbprint: certificate.thumbprint });
    clock.advance(5 * SECOND);
    expect(await there.credentials.findCertificate(certificate)).toMatchObject({ agentId: "w-1" });
    clock.advance(DAY);
    expect(await there.credentials.findCertificate(certificate)).toMatchObject({ agentId: "w-1" });
  });
});
