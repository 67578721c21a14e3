import { randomUUID } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { newId } from "../../../src/lib/model/ids.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, DAY, everyPage, HOUR, MINUTE, type Scene, SECOND } from "../support.ts";
import { deeds } from "./audit.ts";
import { found, issueKey, issueToken } from "./issued.ts";

/** Credentials as rows: issuing, finding, listing, revoking, their use and their end (design section 6). */
export function credentialsContract(open: StoreFactory): void {
  describe("credentials", () => {
    const stage = useStore(open);
    findingAndIssuing(() => stage.scene());
    bindings(() => stage.scene());
    rebinding(() => stage.scene());
    listing(() => stage.scene());
    revoking(() => stage.scene());
    using(() => stage.scene());
  });
  ending(open);
}

const UNKNOWN = "01890000-0000-7000-8000-000000000000";
/** A tag is hexadecimal. */
const lowerHex = (tag: string) => tag.padEnd(64, "0");
const uuidOf = (scene: Scene) => `${scene.tag}-1111-4222-8333-444444444444`;

function findingAndIssuing(open: () => Scene): void {
  describe("issuing", () => {
    it("a token of an agent, found by its id with everything a check needs", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const before = scene.store.now();
      const label = `laptop of "Ånn" \\ ✓`;
      const { credentialId, secret } = await actingAs({ actor: scene.id("boss"), credential: "token" }, () =>
        issueToken(scene.store, agentId, { label, expiresInMilliseconds: HOUR }),
      );
      const { credential, secretHash, agent } = await found(scene.store, credentialId);
      expect(credential).toEqual({
        kind: "token",
        credentialId,
        agentId,
        label,
        createdAt: expect.any(String),
        createdBy: scene.id("boss"),
        expiresAt: expect.any(String),
      });
      expect(at(credential.createdAt)).toBeGreaterThanOrEqual(before - SECOND);
      expect(at(credential.expiresAt) - at(credential.createdAt)).toBe(HOUR);
      expect(secretHash).toBe(secret.secretHash);
      expect(agent).toEqual({ agentId, role: "worker", status: "active" });
    });

    it("by nobody in particular is by the switchboard", async () => {
      const scene = open();
      const { credentialId } = await issueToken(scene.store, await scene.agent());
      expect((await found(scene.store, credentialId)).credential.createdBy).toBe("system");
    });

    it("tells the role and the status that the agent has now", async () => {
      const scene = open();
      const agentId = await scene.agent("observer");
      const { credentialId } = await issueToken(scene.store, agentId);
      await scene.register({ agentId, role: "supervisor" });
      await scene.store.deregisterAgent(agentId);
      const { agent } = await found(scene.store, credentialId);
      expect(agent).toEqual({ agentId, role: "supervisor", status: "deregistered" });
    });

    it("several tokens of one agent, alive at once", async () => {
      const scene = open();
      const agentId = await scene.agent();
      const [old, next] = [await issueToken(scene.store, agentId), await issueToken(scene.store, agentId)];
      await scene.store.revokeCredential(old.credentialId);
      expect((await found(scene.store, old.credentialId)).credential.revokedAt).toBeDefined();
      expect((await found(scene.store, next.credentialId)).credential.revokedAt).toBeUndefined();
    });

    it("an enrolment key", async () => {
      const scene = open();
      const more = { roles: ["worker", "observer"] as ("worker" | "observer")[], maxUses: 7, label: "fleet" };
      const { credentialId, secret } = await issueKey(scene.store, "blue-", { ...more, expiresInMilliseconds: DAY });
      const { credential, secretHash, agent } = await found(scene.store, credentialId);
      expect(credential).toMatchObject({ kind: "enrolment", agentIdPrefix: "blue-", ...more, usesLeft: 7 });
      expect(credential).not.toHaveProperty("agentId");
      expect([secretHash, agent]).toEqual([secret.secretHash, undefined]);
    });

    it("for an agent that nobody registered is refused, and keeps nothing", async () => {
      const scene = open();
      const credentialId = newId(scene.store.now());
      const token = { kind: "token" as const, credentialId, agentId: scene.id("nobody"), secretHash: "x".repeat(43) };
      expect(await caught(scene.store.issueCredential(token))).toBe("AGENT_NOT_FOUND");
      expect(await scene.store.findCredential({ credentialId })).toBeUndefined();
    });

    it("for a deregistered agent is accepted: that is how an admin lets it come back", async () => {
      const scene = open();
      const agentId = await scene.agent();
      await scene.store.deregisterAgent(agentId);
      const { credentialId } = await issueToken(scene.store, agentId);
      expect((await found(scene.store, credentialId)).agent?.status).toBe("deregistered");
    });

    it("under the same id twice is done once", async () => {
      const scene = open();
      const agentId = await scene.agent();
      const credentialId = newId(scene.store.now());
      const token = { kind: "token" as const, credentialId, agentId, secretHash: "h".repeat(43) };
      const [first, again] = await Promise.all([
        scene.store.issueCredential(token),
        scene.store.issueCredential(token),
      ]);
      expect(again).toEqual(first);
      expect((await scene.store.listCredentials({ agentId, limit: 9 })).items).toHaveLength(1);
    });

    it("an unknown id finds nothing", async () => {
      const scene = open();
      expect(await scene.store.findCredential({ credentialId: UNKNOWN })).toBeUndefined();
      expect(await scene.store.findCredential({ objectId: uuidOf(scene) })).toBeUndefined();
      const certificate = { thumbprint: lowerHex(scene.tag), subject: `CN=${scene.tag}` };
      expect(await scene.store.findCredential(certificate)).toBeUndefined();
    });

    it("an expired one is found: the domain decides by the time", async () => {
      const scene = open();
      const { credentialId } = await issueToken(scene.store, await scene.agent(), { expiresInMilliseconds: SECOND });
      scene.advance(HOUR);
      expect(at((await found(scene.store, credentialId)).credential.expiresAt)).toBeLessThan(scene.store.now());
    });
  });
}

function bindings(open: () => Scene): void {
  describe("binding", () => {
    it("a principal to ids, found by its object id", async () => {
      const scene = open();
      const agentIds = Array.from({ length: 100 }, (_, n) => `${"a".repeat(100)}-${n}-${scene.tag}`);
      const credentialId = newId(scene.store.now());
      const objectId = uuidOf(scene);
      await scene.store.issueCredential({ kind: "principal", credentialId, objectId, agentIds });
      const one = await scene.store.findCredential({ objectId });
      expect(one?.credential).toMatchObject({ kind: "principal", credentialId, objectId, agentIds });
      expect(one?.credential).not.toHaveProperty("agentIdPrefix");
      expect([one?.secretHash, one?.agent]).toEqual([undefined, undefined]);
    });

    it("a principal to a prefix; a second binding of it is refused until the first is revoked", async () => {
      const scene = open();
      const objectId = uuidOf(scene);
      const bind = (agentIdPrefix: string) =>
        scene.store.issueCredential({
          kind: "principal",
          credentialId: newId(scene.store.now()),
          objectId,
          agentIdPrefix,
        });
      const first = await bind("blue-");
      expect(await caught(bind("red-"))).toBe("ID_TAKEN");
      await scene.store.revokeCredential(first.credentialId);
      expect(await scene.store.findCredential({ objectId })).toBeUndefined();
      await bind("red-");
      expect((await scene.store.findCredential({ objectId }))?.credential).toMatchObject({ agentIdPrefix: "red-" });
    });

    it("two principals at once: both; the same one at once: one", async () => {
      const scene = open();
      const objectId = uuidOf(scene);
      const bind = (id: string) =>
        caught(
          scene.store.issueCredential({
            kind: "principal",
            credentialId: newId(scene.store.now()),
            objectId: id,
            agentIdPrefix: "x-",
          }),
        );
      const answers = await Promise.all([bind(objectId), bind(objectId), bind(objectId.replace("-1", "-2"))]);
      expect(answers.sort()).toEqual(["ID_TAKEN", "accepted", "accepted"]);
    });

    it("a certificate by its thumbprint or its subject; the thumbprint comes first", async () => {
      const scene = open();
      const [byPrint, bySubject] = [await scene.worker(), await scene.agent("supervisor")];
      const thumbprint = lowerHex(scene.tag);
      const subject = `CN=${scene.tag}\\, "Ärger",O=Ex,C=DE`;
      const bind = (agentId: string, bound: { thumbprint: string } | { subject: string }) =>
        scene.store.issueCredential({
          kind: "certificate",
          credentialId: newId(scene.store.now()),
          agentId,
          ...bound,
        });
      await bind(bySubject, { subject });
      const other = lowerHex(`${scene.tag}b`);
      const looked = await scene.store.findCredential({ thumbprint: other, subject });
      expect(looked?.credential).toMatchObject({ kind: "certificate", agentId: bySubject, subject });
      expect(looked?.agent).toEqual({ agentId: bySubject, role: "supervisor", status: "active" });
      await bind(byPrint, { thumbprint });
      const precise = await scene.store.findCredential({ thumbprint, subject });
      expect(precise?.credential).toMatchObject({ agentId: byPrint, thumbprint });
      expect(precise?.credential).not.toHaveProperty("subject");
      expect(await caught(bind(bySubject, { thumbprint }))).toBe("ID_TAKEN");
      expect(await caught(bind(byPrint, { subject }))).toBe("ID_TAKEN");
      expect(await caught(bind(scene.id("nobody"), { subject: `${subject}x` }))).toBe("AGENT_NOT_FOUND");
      const upper = await scene.store.findCredential({ thumbprint: other, subject: subject.toUpperCase() });
      expect(upper).toBeUndefined();
    });
  });
}

function rebinding(open: () => Scene): void {
  it("a revoked binding does not hide the new one of the same certificate or principal", async () => {
    const scene = open();
    const [before, after] = [await scene.worker(), await scene.worker()];
    const [print, spare] = [lowerHex(scene.tag), lowerHex(`${scene.tag}c`)];
    const [subject, objectId] = [`CN=again ${scene.tag}`, randomUUID()];
    const id = () => newId(scene.store.now());
    const certificate = { kind: "certificate" } as const;
    const bindings = [
      {
        lookup: { thumbprint: print, subject: `CN=none ${scene.tag}` },
        bind: (agentId: string) =>
          scene.store.issueCredential({ ...certificate, credentialId: id(), agentId, thumbprint: print }),
      },
      {
        lookup: { thumbprint: spare, subject },
        bind: (agentId: string) =>
          scene.store.issueCredential({ ...certificate, credentialId: id(), agentId, subject }),
      },
      {
        lookup: { objectId },
        bind: (agentId: string) =>
          scene.store.issueCredential({ kind: "principal", credentialId: id(), objectId, agentIds: [agentId] }),
      },
    ];
    for (const { lookup, bind } of bindings) {
      const old = await bind(before);
      await scene.store.revokeCredential(old.credentialId);
      expect(await scene.store.findCredential(lookup)).toBeUndefined();
      const fresh = await bind(after);
      expect((await scene.store.findCredential(lookup))?.credential.credentialId).toBe(fresh.credentialId);
      // Revoking the old one again takes nothing from the new one.
      await scene.store.revokeCredential(old.credentialId);
      expect((await scene.store.findCredential(lookup))?.credential.credentialId).toBe(fresh.credentialId);
    }
  });
}

function listing(open: () => Scene): void {
  it("are listed newest first, by agent and kind, page by page, and never with a hash", async () => {
    const scene = open();
    const [one, two] = [await scene.agent(), await scene.agent()];
    const issued: string[] = [];
    for (const agentId of [one, two, one, one, two]) issued.push((await issueToken(scene.store, agentId)).credentialId);
    const subject = `CN=${scene.tag}`;
    const credentialId = newId(scene.store.now());
    await scene.store.issueCredential({ kind: "certificate", credentialId, agentId: one, subject });
    const key = await issueKey(scene.store, scene.tag);
    const [a, b, c, d, e] = issued;
    const list = async (query: Parameters<Scene["store"]["listCredentials"]>[0]) =>
      (await everyPage((page) => scene.store.listCredentials({ ...query, ...page }), 2)).map(
        (item) => item.credentialId,
      );
    expect(await list({ limit: 2, agentId: one })).toEqual([credentialId, d, c, a]);
    expect(await list({ limit: 2, agentId: two })).toEqual([e, b]);
    expect(await list({ limit: 2, agentId: one, kind: "certificate" })).toEqual([credentialId]);
    expect(await list({ limit: 2, agentId: one, kind: "token" })).toEqual([d, c, a]);
    expect(await list({ limit: 2, agentId: scene.id("nobody") })).toEqual([]);
    const all = await list({ limit: 2 });
    expect(all.filter((id) => [...issued, credentialId, key.credentialId].includes(id))).toEqual([
      key.credentialId,
      credentialId,
      e,
      d,
      c,
      b,
      a,
    ]);
    expect((await list({ limit: 2, kind: "enrolment" }))[0]).toBe(key.credentialId);
    const { items, nextCursor } = await scene.store.listCredentials({ limit: 1, agentId: one });
    expect(JSON.stringify(items)).not.toContain("ash");
    const foreign = scene.store.listCredentials({ limit: 1, agentId: two, cursor: nextCursor ?? "" });
    expect(await caught(foreign)).toBe("INVALID_REQUEST");
  });
}

function revoking(open: () => Scene): void {
  it("are revoked for good, and a repeat changes nothing", async () => {
    const scene = open();
    const { credentialId } = await issueToken(scene.store, await scene.agent());
    const before = scene.store.now();
    const revoked = await scene.store.revokeCredential(credentialId);
    expect(at(revoked.revokedAt)).toBeGreaterThanOrEqual(before - SECOND);
    scene.advance(MINUTE);
    expect(await scene.store.revokeCredential(credentialId)).toEqual(revoked);
    expect((await found(scene.store, credentialId)).credential).toEqual(revoked);
    expect(await caught(scene.store.revokeCredential(UNKNOWN))).toBe("NOT_FOUND");
  });

  it("are in the audit: issued and revoked, once each, by whom, and of whom", async () => {
    const scene = open();
    const agentId = await scene.agent();
    const credentialId = newId(scene.store.now());
    const token = { kind: "token" as const, credentialId, agentId, secretHash: "h".repeat(43) };
    const boss = scene.id("boss");
    const asBoss = <T>(act: () => Promise<T>) => actingAs({ actor: boss, credential: "token" }, act);
    await asBoss(() => scene.store.issueCredential(token));
    await asBoss(() => scene.store.issueCredential(token));
    await asBoss(() => scene.store.revokeCredential(credentialId));
    await asBoss(() => scene.store.revokeCredential(credentialId));
    expect(await deeds(scene, { subjectId: credentialId })).toEqual([
      [boss, "credential.issued", { kind: "token", agentId }],
      [boss, "credential.revoked", { kind: "token", agentId }],
    ]);
    const unbound = newId(scene.store.now());
    const principal = { kind: "principal" as const, credentialId: unbound, objectId: uuidOf(scene) };
    await scene.store.issueCredential({ ...principal, agentIdPrefix: "x" });
    expect(await deeds(scene, { subjectId: unbound })).toEqual([
      ["system", "credential.issued", { kind: "principal" }],
    ]);
    const again = newId(scene.store.now());
    const refused = scene.store.issueCredential({ ...principal, credentialId: again, agentIdPrefix: "y" });
    expect(await caught(refused)).toBe("ID_TAKEN");
    expect(await deeds(scene, { subjectId: again })).toEqual([]);
  });

  it("outlive the deregistration of their agent, which comes back with its own", async () => {
    const scene = open();
    const agentId = await scene.worker();
    const { credentialId } = await issueToken(scene.store, agentId);
    await scene.store.deregisterAgent(agentId);
    expect((await found(scene.store, credentialId)).credential.revokedAt).toBeUndefined();
    const { agent, created } = await scene.store.registerAgent(
      { agentId, role: "worker", capabilities: [], maxConcurrentTasks: 1 },
      { kind: "own" },
    );
    expect([agent.status, created]).toEqual(["active", false]);
  });
}

function using(open: () => Scene): void {
  it("note their first use, and later ones once a day", async () => {
    const scene = open();
    const agentId = await scene.agent();
    const [one, two] = [await issueToken(scene.store, agentId), await issueToken(scene.store, agentId)];
    const ids = [one.credentialId, two.credentialId];
    const usedAt = async (credentialId: string) => (await found(scene.store, credentialId)).credential.lastUsedAt;
    expect(await usedAt(one.credentialId)).toBeUndefined();
    const before = scene.store.now();
    expect(await scene.store.recordCredentialUse(ids)).toEqual(ids);
    const first = await usedAt(one.credentialId);
    expect(at(first)).toBeGreaterThanOrEqual(before - SECOND);
    scene.advance(23 * HOUR);
    expect(await scene.store.recordCredentialUse([one.credentialId])).toEqual([one.credentialId]);
    expect(await usedAt(one.credentialId)).toBe(first);
    scene.advance(61 * MINUTE);
    await Promise.all([1, 2, 3].map(() => scene.store.recordCredentialUse([one.credentialId])));
    expect(at(await usedAt(one.credentialId))).toBeGreaterThanOrEqual(at(first) + DAY);
    expect(await usedAt(two.credentialId)).toBe((await found(scene.store, two.credentialId)).credential.lastUsedAt);
  });

  it("do not count as used once they are revoked, or where there are none", async () => {
    const scene = open();
    const agentId = await scene.agent();
    const [live, dead] = [await issueToken(scene.store, agentId), await issueToken(scene.store, agentId)];
    await scene.store.revokeCredential(dead.credentialId);
    const asked = [dead.credentialId, UNKNOWN, live.credentialId];
    expect(await scene.store.recordCredentialUse(asked)).toEqual([live.credentialId]);
    expect((await found(scene.store, dead.credentialId)).credential.lastUsedAt).toBeUndefined();
    expect(await scene.store.recordCredentialUse([])).toEqual([]);
  });
}

/** Counts of the maintenance are absolute: each opens a store. */
function ending(open: StoreFactory): void {
  describe("credentials that have ended", () => {
    it("are deleted once that is longer ago than the retention, with what is used up; others stay", async () => {
      await withStore(open, { inactiveRetentionDays: 30 }, async (scene) => {
        const { store } = scene;
        const agentId = await scene.agent();
        const revoked = await issueToken(store, agentId);
        await store.revokeCredential(revoked.credentialId);
        const expired = await issueToken(store, agentId, { expiresInMilliseconds: HOUR });
        const usedUp = await issueKey(store, scene.tag, { maxUses: 1 });
        const enrolled = scene.id(scene.tag);
        await store.registerAgent(
          { agentId: `${scene.tag}-1`, role: "worker", capabilities: [], maxConcurrentTasks: 1 },
          {
            kind: "enrolment",
            credentialId: usedUp.credentialId,
            token: { credentialId: newId(store.now()), secretHash: "s".repeat(43) },
          },
        );
        const live = await issueToken(store, agentId);
        const unused = await issueKey(store, enrolled, { maxUses: 1 });
        scene.advance(29 * DAY);
        expect((await store.maintain()).credentialsDeleted).toBe(0);
        const late = await issueToken(store, agentId);
        await store.revokeCredential(late.credentialId);
        scene.advance(2 * DAY);
        expect((await store.maintain()).credentialsDeleted).toBe(3);
        const left = (await everyPage((page) => store.listCredentials(page))).map((item) => item.credentialId);
        for (const { credentialId } of [revoked, expired, usedUp]) expect(left).not.toContain(credentialId);
        for (const { credentialId } of [live, unused, late]) expect(left).toContain(credentialId);
        expect(left).toHaveLength(4);
        expect((await store.maintain()).credentialsDeleted).toBe(0);
      });
    });

    it("let their agent be deleted; an agent with a credential keeps its id", async () => {
      await withStore(open, { inactiveRetentionDays: 30 }, async (scene) => {
        const { store } = scene;
        const [kept, let_go] = [await scene.agent(), await scene.agent()];
        await issueToken(store, kept);
        const { credentialId } = await issueToken(store, let_go);
        await store.revokeCredential(credentialId);
        for (const agentId of [kept, let_go]) await store.deregisterAgent(agentId);
        scene.advance(31 * DAY);
        expect(await store.maintain()).toMatchObject({ credentialsDeleted: 1, agentsDeleted: 1 });
        expect(await caught(store.getAgent(let_go))).toBe("AGENT_NOT_FOUND");
        expect((await store.getAgent(kept)).status).toBe("deregistered");
      });
    });

    it("are deleted by the thousand", async () => {
      await withStore(open, { inactiveRetentionDays: 1 }, async (scene) => {
        const { store } = scene;
        const agentId = await scene.agent();
        for (let batch = 0; batch < 12; batch += 1) {
          await Promise.all(
            Array.from({ length: 100 }, () => issueToken(store, agentId, { expiresInMilliseconds: SECOND })),
          );
        }
        scene.advance(2 * DAY);
        expect(await store.maintain()).toMatchObject({ credentialsDeleted: 1_200, finished: true });
      });
    });
  });
}
