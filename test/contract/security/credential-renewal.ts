import { describe, expect, it } from "@jest/globals";
import { newId } from "../../../src/lib/model/ids.ts";
import { LIVE_TOKENS_MAX, PENDING_RENEWALS_MAX } from "../../../src/lib/model/limits.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, DAY, everyPage, HOUR, type Scene } from "../support.ts";
import { deeds } from "./audit.ts";
import { enrolling, found, issueKey, issueToken } from "./issued.ts";

/** Bounds and terms of credentials as rows, and the renewal of tokens: the old one lives until the new one is used. */
export function credentialRenewalContract(open: StoreFactory): void {
  describe("bounds, terms and renewals of credentials", () => {
    const stage = useStore(open);
    bounds(() => stage.scene());
    renewing(() => stage.scene());
    ends(() => stage.scene());
  });
  unused(open);
}

const PATTERNS = Array.from({ length: 64 }, (_, n) => `${"p".repeat(120)}${n}*`);

function bounds(open: () => Scene): void {
  it("are kept with each kind of credential, the longest list of capabilities, too", async () => {
    const scene = open();
    const { store, tag } = scene;
    const agentId = await scene.worker();
    const limits = { capabilities: PATTERNS, maxConcurrentTasks: 10_000, idleDays: 3_650 };
    const token = await issueToken(store, agentId, limits);
    const key = await issueKey(store, `${tag}-`, { ...limits, expiresInDays: 30 });
    const principal = newId(store.now());
    const objectId = `${tag}-1111-4222-8333-444444444444`;
    await store.issueCredential({
      kind: "principal",
      credentialId: principal,
      objectId,
      agentIdPrefix: "x",
      ...limits,
    });
    const certificate = newId(store.now());
    const subject = `CN=${scene.id("subject")}`;
    await store.issueCredential({ kind: "certificate", credentialId: certificate, agentId, subject, ...limits });
    for (const credentialId of [token.credentialId, key.credentialId, principal, certificate]) {
      expect((await found(store, credentialId)).credential).toMatchObject(limits);
    }
    expect((await found(store, key.credentialId)).credential).toMatchObject({ expiresInDays: 30 });
    const none = await issueToken(store, agentId, { capabilities: [], maxConcurrentTasks: 0 });
    expect((await found(store, none.credentialId)).credential).toMatchObject({
      capabilities: [],
      maxConcurrentTasks: 0,
    });
    const { credential } = await found(store, (await issueToken(store, agentId)).credentialId);
    for (const field of ["capabilities", "maxConcurrentTasks", "idleDays", "renews"]) {
      expect(credential).not.toHaveProperty(field);
    }
  });

  it("of an enrolment key are those of its tokens, with their terms; replaced ones begin anew", async () => {
    const scene = open();
    const { store, tag } = scene;
    const limits = { capabilities: ["python", "review*"], maxConcurrentTasks: 3, idleDays: 7 };
    const key = await issueKey(store, `${tag}-`, { ...limits, expiresInDays: 30 });
    const agent = { agentId: `${tag}-1`, role: "worker" as const, capabilities: [], maxConcurrentTasks: 1 };
    const first = enrolling(store, key, "same");
    await store.registerAgent(agent, first);
    scene.advance(HOUR);
    const again = enrolling(store, key, "same");
    await store.registerAgent(agent, again);
    const { credential } = await found(store, again.token.credentialId);
    expect(credential).toMatchObject({ kind: "token", enrolledBy: key.credentialId, ...limits });
    expect(at(credential.expiresAt) - at(credential.createdAt)).toBe(30 * DAY);
    expect(await store.findCredential({ credentialId: first.token.credentialId })).toBeUndefined();
    const plain = await issueKey(store, `${tag}-`);
    const other = enrolling(store, plain);
    await store.registerAgent({ ...agent, agentId: `${tag}-2` }, other);
    const bare = (await found(store, other.token.credentialId)).credential;
    for (const field of ["capabilities", "maxConcurrentTasks", "idleDays", "expiresAt"]) {
      expect(bare).not.toHaveProperty(field);
    }
  });
}

/** Renews, as the agent itself. */
async function renew(scene: Scene, credentialId: string, agentId: string): Promise<string> {
  const renewal = newId(scene.store.now());
  await actingAs({ actor: agentId, credential: "token" }, () =>
    scene.store.renewToken({ credentialId, token: { credentialId: renewal, secretHash: "n".repeat(43) } }),
  );
  return renewal;
}

/** Which of these are not revoked. */
async function alive(scene: Scene, credentialIds: readonly string[]): Promise<string[]> {
  const all = await Promise.all(credentialIds.map((credentialId) => found(scene.store, credentialId)));
  return all
    .filter(({ credential }) => credential.revokedAt === undefined)
    .map(({ credential }) => credential.credentialId);
}

function renewing(open: () => Scene): void {
  describe("renewing a token", () => {
    it("gives another one with the label, the bounds and the length of life of the old one", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const limits = { label: "rack 7", capabilities: ["python*"], maxConcurrentTasks: 2, idleDays: 9 };
      const { credentialId } = await issueToken(scene.store, agentId, { ...limits, expiresInMilliseconds: 10 * DAY });
      scene.advance(7 * DAY);
      const renewal = await renew(scene, credentialId, agentId);
      const { credential, secretHash, agent } = await found(scene.store, renewal);
      expect(credential).toMatchObject({ kind: "token", agentId, ...limits, renews: credentialId, createdBy: agentId });
      expect(at(credential.expiresAt) - at(credential.createdAt)).toBe(10 * DAY);
      expect(credential).not.toHaveProperty("lastUsedAt");
      expect([secretHash, agent?.agentId]).toEqual(["n".repeat(43), agentId]);
    });

    it("lets the old one live until the new one is used, and no longer", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const { credentialId } = await issueToken(scene.store, agentId);
      await scene.store.recordCredentialUse([credentialId]);
      const renewal = await renew(scene, credentialId, agentId);
      expect(await alive(scene, [credentialId, renewal])).toEqual([credentialId, renewal]);
      expect(await scene.store.recordCredentialUse([credentialId])).toEqual([credentialId]);
      expect(await scene.store.recordCredentialUse([renewal])).toEqual([renewal]);
      expect(await alive(scene, [credentialId, renewal])).toEqual([renewal]);
      expect(await scene.store.recordCredentialUse([credentialId])).toEqual([]);
      await scene.store.recordCredentialUse([renewal]);
      expect(await deeds(scene, { subjectId: renewal })).toEqual([
        [agentId, "credential.renewed", { agentId, renews: credentialId }],
      ]);
      expect((await deeds(scene, { subjectId: credentialId })).at(-1)).toEqual([
        "system",
        "credential.revoked",
        { kind: "token", agentId, renewedBy: renewal },
      ]);
    });

    it("twice gives two, and the use of one does not take the other from the one who has it", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const { credentialId } = await issueToken(scene.store, agentId);
      const both = await Promise.all([renew(scene, credentialId, agentId), renew(scene, credentialId, agentId)]);
      expect(await scene.store.recordCredentialUse([both[0]])).toEqual([both[0]]);
      expect(await alive(scene, [credentialId, ...both])).toEqual(both);
      expect(await scene.store.recordCredentialUse([both[1]])).toEqual([both[1]]);
    });

    it("again and again leaves the newest few that wait for their first use", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const { credentialId } = await issueToken(scene.store, agentId);
      const made: string[] = [];
      for (let n = 0; n < PENDING_RENEWALS_MAX + 2; n += 1) made.push(await renew(scene, credentialId, agentId));
      expect(await alive(scene, [credentialId, ...made])).toEqual([credentialId, ...made.slice(2)]);
    });

    it("is refused to an agent with a hundred valid tokens, until one of them has ended", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const ended = await issueToken(scene.store, agentId);
      await scene.store.revokeCredential(ended.credentialId);
      const brief = await issueToken(scene.store, agentId, { expiresInMilliseconds: HOUR });
      const { credentialId } = await issueToken(scene.store, agentId);
      for (let n = 3; n < LIVE_TOKENS_MAX; n += 1) await issueToken(scene.store, agentId);
      const hundredth = await renew(scene, credentialId, agentId);
      expect(await caught(renew(scene, credentialId, agentId))).toBe("FORBIDDEN");
      // An admin may issue more, and another agent has its own hundred.
      const more = await issueToken(scene.store, agentId);
      const other = await scene.worker();
      await renew(scene, (await issueToken(scene.store, other)).credentialId, other);
      await scene.store.revokeCredential(more.credentialId);
      expect(await caught(renew(scene, credentialId, agentId))).toBe("FORBIDDEN");
      scene.advance(HOUR);
      const next = await renew(scene, credentialId, agentId);
      expect(await caught(renew(scene, credentialId, agentId))).toBe("FORBIDDEN");
      // The first use of a renewal ends the old one; what it leaves is room for the next.
      await scene.store.recordCredentialUse([next]);
      await renew(scene, next, agentId);
      expect(await alive(scene, [brief.credentialId, credentialId, hundredth])).toEqual([
        brief.credentialId,
        hundredth,
      ]);
    });

    it("that ends an older renewal is not refused for that one", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const { credentialId } = await issueToken(scene.store, agentId);
      for (let n = 0; n < PENDING_RENEWALS_MAX; n += 1) await renew(scene, credentialId, agentId);
      for (let n = PENDING_RENEWALS_MAX + 1; n < LIVE_TOKENS_MAX; n += 1) await issueToken(scene.store, agentId);
      await renew(scene, credentialId, agentId);
      const last = await issueToken(scene.store, agentId);
      expect(await caught(renew(scene, credentialId, agentId))).toBe("FORBIDDEN");
      await scene.store.revokeCredential(last.credentialId);
      await renew(scene, credentialId, agentId);
    });

    it("under the same new id is done once", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const { credentialId } = await issueToken(scene.store, agentId);
      const token = { credentialId: newId(scene.store.now()), secretHash: "n".repeat(43) };
      const one = await scene.store.renewToken({ credentialId, token });
      expect(await scene.store.renewToken({ credentialId, token })).toEqual(one);
      expect((await scene.store.listCredentials({ agentId, limit: 9 })).items).toHaveLength(2);
    });

    it("is refused for one that has ended, that is no token, or that is not there", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const expired = await issueToken(scene.store, agentId, { expiresInMilliseconds: HOUR });
      scene.advance(HOUR);
      const revoked = await issueToken(scene.store, agentId);
      await scene.store.revokeCredential(revoked.credentialId);
      const key = await issueKey(scene.store, scene.tag);
      const none = "01890000-0000-7000-8000-000000000000";
      for (const credentialId of [expired.credentialId, revoked.credentialId, key.credentialId, none]) {
        expect(await caught(renew(scene, credentialId, agentId))).toBe("UNAUTHENTICATED");
      }
      expect((await scene.store.listCredentials({ agentId, limit: 9 })).items).toHaveLength(2);
    });

    it("is undone by revoking the old one, as long as the new one is unused", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const { credentialId } = await issueToken(scene.store, agentId);
      const [used, waiting] = [await renew(scene, credentialId, agentId), await renew(scene, credentialId, agentId)];
      const other = await issueToken(scene.store, agentId);
      const next = await renew(scene, other.credentialId, agentId);
      await scene.store.revokeCredential(other.credentialId);
      expect(await alive(scene, [other.credentialId, next])).toEqual([]);
      await scene.store.recordCredentialUse([used]);
      expect(await alive(scene, [credentialId, used, waiting])).toEqual([used, waiting]);
    });
  });
}

function ends(open: () => Scene): void {
  it("does nothing to what is not a renewal: its first use ends nothing", async () => {
    const scene = open();
    const agentId = await scene.worker();
    const [one, two] = [await issueToken(scene.store, agentId), await issueToken(scene.store, agentId)];
    await scene.store.recordCredentialUse([one.credentialId]);
    expect(await alive(scene, [one.credentialId, two.credentialId])).toHaveLength(2);
  });
}

/** Counts of the maintenance are absolute: it opens a store. */
function unused(open: StoreFactory): void {
  it("what was not used for too long is deleted after the retention; keys and used ones stay", async () => {
    await withStore(open, { inactiveRetentionDays: 30 }, async (scene) => {
      const { store, tag } = scene;
      const agentId = await scene.agent();
      const idle = await issueToken(store, agentId, { idleDays: 10 });
      const used = await issueToken(store, agentId, { idleDays: 10 });
      const key = await issueKey(store, tag, { idleDays: 10 });
      scene.advance(9 * DAY);
      await store.recordCredentialUse([used.credentialId]);
      scene.advance(31 * DAY);
      expect((await store.maintain()).credentialsDeleted).toBe(0);
      scene.advance(2 * DAY);
      expect((await store.maintain()).credentialsDeleted).toBe(1);
      const left = (await everyPage((page) => store.listCredentials(page))).map((item) => item.credentialId);
      expect(left).toEqual([key.credentialId, used.credentialId]);
      expect(left).not.toContain(idle.credentialId);
    });
  });
}
