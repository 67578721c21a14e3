import { describe, expect, it } from "@jest/globals";
import type { RegisterAgent } from "../../../src/lib/model/agent.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, HOUR, MINUTE, type Scene } from "../support.ts";
import { deeds } from "./audit.ts";
import { enrolling, found, issueKey } from "./issued.ts";

/** What a registration may do under an authority that is not an admin's (design section 6, enrolment). */
export function registrationAuthorityContract(open: StoreFactory): void {
  describe("registering under an authority", () => {
    const stage = useStore(open);
    owning(() => stage.scene());
    applying(() => stage.scene());
    enrolment(() => stage.scene());
    repeats(() => stage.scene());
  });
}

const agent = (agentId: string, more: Partial<RegisterAgent> = {}): RegisterAgent => ({
  agentId,
  role: "worker",
  capabilities: [],
  maxConcurrentTasks: 1,
  ...more,
});

function owning(open: () => Scene): void {
  describe("of its own credential", () => {
    it("updates and reactivates the agent, and hands it waiting work", async () => {
      const scene = open();
      const supervisor = await scene.supervisor();
      const agentId = await scene.worker();
      await scene.store.deregisterAgent(agentId);
      const waiting = await scene.submit(supervisor);
      const reply = await scene.store.registerAgent(
        agent(agentId, { capabilities: [scene.skill], maxConcurrentTasks: 2, metadata: { v: 1 } }),
        { kind: "own" },
      );
      expect(reply.created).toBe(false);
      expect(reply.agent).toMatchObject({ status: "active", maxConcurrentTasks: 2, metadata: { v: 1 } });
      expect((await scene.held(waiting)).agentId).toBe(agentId);
    });

    it("changes no role, and nothing when that was asked", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const before = await scene.store.getAgent(agentId);
      for (const role of ["supervisor", "observer", "admin"] as const) {
        const taken = scene.store.registerAgent(agent(agentId, { role, maxConcurrentTasks: 9 }), { kind: "own" });
        expect(await caught(taken)).toBe("FORBIDDEN");
      }
      expect(await scene.store.getAgent(agentId)).toEqual(before);
    });

    it("creates nobody", async () => {
      const scene = open();
      const reply = scene.store.registerAgent(agent(scene.id("new")), { kind: "own" });
      expect(await caught(reply)).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.store.getAgent(scene.id("new")))).toBe("AGENT_NOT_FOUND");
    });
  });
}

function applying(open: () => Scene): void {
  describe("of a principal that is bound to the id", () => {
    it("creates with one of its roles, and only that", async () => {
      const scene = open();
      const applicant = { kind: "applicant", roles: ["worker", "observer"] } as const;
      const agentId = scene.id("new");
      const admin = scene.store.registerAgent(agent(agentId, { role: "admin" }), applicant);
      expect(await caught(admin)).toBe("FORBIDDEN");
      expect(await caught(scene.store.getAgent(agentId))).toBe("AGENT_NOT_FOUND");
      expect((await scene.store.registerAgent(agent(agentId), applicant)).created).toBe(true);
      const again = await scene.store.registerAgent(agent(agentId, { maxConcurrentTasks: 4 }), applicant);
      expect([again.created, again.agent.maxConcurrentTasks]).toEqual([false, 4]);
    });

    it("changes no role, not even to another one of its own", async () => {
      const scene = open();
      const agentId = await scene.worker();
      const applicant = { kind: "applicant", roles: ["worker", "observer"] } as const;
      const other = scene.store.registerAgent(agent(agentId, { role: "observer" }), applicant);
      expect(await caught(other)).toBe("FORBIDDEN");
      expect((await scene.store.getAgent(agentId)).role).toBe("worker");
    });

    it("does not become what another one made: its roles must have that of the agent", async () => {
      const scene = open();
      const agentId = await scene.agent("admin");
      const reply = scene.store.registerAgent(agent(agentId, { role: "admin" }), {
        kind: "applicant",
        roles: ["worker"],
      });
      expect(await caught(reply)).toBe("FORBIDDEN");
    });
  });
}

function enrolment(open: () => Scene): void {
  describe("of an enrolment key", () => {
    it("creates the agent and its token, and takes a use", async () => {
      const scene = open();
      const supervisor = await scene.supervisor();
      const waiting = await scene.submit(supervisor);
      const key = await issueKey(scene.store, "blue-");
      const authority = enrolling(scene.store, key);
      const agentId = `blue-${scene.tag}`;
      const reply = await scene.store.registerAgent(agent(agentId, { capabilities: [scene.skill] }), authority);
      expect([reply.created, reply.agent.agentId, reply.agent.role]).toEqual([true, agentId, "worker"]);
      const token = await found(scene.store, authority.token.credentialId);
      expect(token).toMatchObject({
        credential: { kind: "token", agentId, enrolledBy: key.credentialId },
        secretHash: authority.token.secretHash,
        agent: { agentId, role: "worker", status: "active" },
      });
      expect(token.credential).not.toHaveProperty("expiresAt");
      const used = (await found(scene.store, key.credentialId)).credential;
      expect(used).toMatchObject({ usesLeft: 2, maxUses: 3, lastUsedAt: expect.any(String) });
      expect((await scene.held(waiting)).agentId).toBe(agentId);
    });

    it("takes no id that is there, be it deregistered, and says no more than that", async () => {
      const scene = open();
      const key = await issueKey(scene.store, scene.tag);
      const [live, gone] = [`${scene.tag}-live`, `${scene.tag}-gone`];
      await scene.register({ agentId: live, role: "supervisor" });
      await scene.register({ agentId: gone, role: "worker" });
      await scene.store.deregisterAgent(gone);
      const before = [await scene.store.getAgent(live), await scene.store.getAgent(gone)];
      for (const agentId of [live, gone]) {
        const authority = enrolling(scene.store, key, scene.id("key"));
        expect(await caught(scene.store.registerAgent(agent(agentId), authority))).toBe("ID_TAKEN");
        expect(await scene.store.findCredential({ credentialId: authority.token.credentialId })).toBeUndefined();
      }
      expect([await scene.store.getAgent(live), await scene.store.getAgent(gone)]).toEqual(before);
      expect((await found(scene.store, key.credentialId)).credential).toMatchObject({ usesLeft: 3 });
    });

    it("gives its roles and its prefix only", async () => {
      const scene = open();
      const key = await issueKey(scene.store, "blue-", { roles: ["worker", "observer"] });
      const tries = [
        agent(`blue-${scene.tag}`, { role: "supervisor" }),
        agent(`blue-${scene.tag}`, { role: "admin" }),
        agent(`red-${scene.tag}`),
        agent(`Blue-${scene.tag}`),
        agent("blue"),
      ];
      for (const one of tries) {
        const reply = scene.store.registerAgent(one, enrolling(scene.store, key));
        expect([one, await caught(reply)]).toEqual([one, "FORBIDDEN"]);
        expect(await caught(scene.store.getAgent(one.agentId))).toBe("AGENT_NOT_FOUND");
      }
      expect((await found(scene.store, key.credentialId)).credential).toMatchObject({ usesLeft: 3 });
    });

    it("is not valid when it is used up, revoked, expired, unknown, or a token", async () => {
      const scene = open();
      const { store } = scene;
      const enrol = (key: { credentialId: string }) => {
        const authority = { ...enrolling(store, { ...key, secret: { text: "", secretHash: "" } }) };
        return caught(store.registerAgent(agent(scene.fresh(scene.tag)), authority));
      };
      const once = await issueKey(store, scene.tag, { maxUses: 1 });
      expect([await enrol(once), await enrol(once)]).toEqual(["accepted", "UNAUTHENTICATED"]);
      const revoked = await issueKey(store, scene.tag);
      await store.revokeCredential(revoked.credentialId);
      expect(await enrol(revoked)).toBe("UNAUTHENTICATED");
      const brief = await issueKey(store, scene.tag, { expiresInMilliseconds: HOUR });
      expect(await enrol(brief)).toBe("accepted");
      scene.advance(HOUR + MINUTE);
      expect(await enrol(brief)).toBe("UNAUTHENTICATED");
      expect(await enrol({ credentialId: "01890000-0000-7000-8000-000000000001" })).toBe("UNAUTHENTICATED");
      const [token] = (await store.listCredentials({ limit: 1, kind: "token" })).items;
      expect(await enrol({ credentialId: token?.credentialId ?? "" })).toBe("UNAUTHENTICATED");
    });

    it("creates as many at once as it has uses, and no more", async () => {
      const scene = open();
      const key = await issueKey(scene.store, scene.tag, { maxUses: 5 });
      const answers = await Promise.all(
        Array.from({ length: 9 }, (_, n) =>
          caught(scene.store.registerAgent(agent(`${scene.tag}-${n}`), enrolling(scene.store, key))),
        ),
      );
      expect(answers.filter((answer) => answer === "accepted")).toHaveLength(5);
      expect(answers.filter((answer) => answer === "UNAUTHENTICATED")).toHaveLength(4);
      expect((await found(scene.store, key.credentialId)).credential).toMatchObject({ usesLeft: 0 });
      const tokens = await Promise.all(
        Array.from({ length: 9 }, (_, n) => scene.store.listCredentials({ agentId: `${scene.tag}-${n}`, limit: 9 })),
      );
      expect(tokens.map(({ items }) => items.length).reduce((sum, n) => sum + n, 0)).toBe(5);
    });

    it("gives an id once, to whoever came first", async () => {
      const scene = open();
      const key = await issueKey(scene.store, scene.tag, { maxUses: 9 });
      const agentId = `${scene.tag}-only`;
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => caught(scene.store.registerAgent(agent(agentId), enrolling(scene.store, key)))),
      );
      expect(answers.sort()).toEqual(["ID_TAKEN", "ID_TAKEN", "ID_TAKEN", "accepted"]);
      expect((await found(scene.store, key.credentialId)).credential).toMatchObject({ usesLeft: 8 });
    });
  });
}

function repeats(open: () => Scene): void {
  describe("an enrolment that is repeated under its Idempotency-Key", () => {
    async function enrolled(scene: Scene, more: { maxUses?: number } = {}) {
      const key = await issueKey(scene.store, scene.tag, more);
      const agentId = `${scene.tag}-1`;
      const enrol = async (idempotencyKey?: string, input: Partial<RegisterAgent> = {}) => {
        const authority = enrolling(scene.store, key, idempotencyKey);
        const reply = await scene.store.registerAgent(agent(agentId, input), authority);
        return { ...reply, tokenId: authority.token.credentialId };
      };
      return { key, agentId, enrol, first: await enrol("again") };
    }

    it("replaces the token until that was used, reads as the first, and takes no other use", async () => {
      const scene = open();
      const { key, agentId, enrol, first } = await enrolled(scene, { maxUses: 1 });
      const second = await enrol("again", { maxConcurrentTasks: 3 });
      expect([second.created, second.agent.maxConcurrentTasks]).toEqual([true, 3]);
      expect(await scene.store.findCredential({ credentialId: first.tokenId })).toBeUndefined();
      expect(await scene.store.recordCredentialUse([first.tokenId])).toEqual([]);
      expect((await found(scene.store, second.tokenId)).agent?.agentId).toBe(agentId);
      expect((await scene.store.listCredentials({ agentId, limit: 9 })).items).toHaveLength(1);
      expect((await found(scene.store, key.credentialId)).credential).toMatchObject({ usesLeft: 0 });
      // Nobody said who calls: it is the agent itself.
      const used = await deeds(scene, { subjectId: key.credentialId, action: "credential.used_enrolment" });
      expect(used).toEqual([
        [agentId, "credential.used_enrolment", { agentId, tokenId: first.tokenId, replaces: false }],
        [agentId, "credential.used_enrolment", { agentId, tokenId: second.tokenId, replaces: true }],
      ]);
    });

    it("finds the id taken once the token was used", async () => {
      const scene = open();
      const { enrol, first } = await enrolled(scene);
      expect(await scene.store.recordCredentialUse([first.tokenId])).toEqual([first.tokenId]);
      expect(await caught(enrol("again"))).toBe("ID_TAKEN");
      expect((await found(scene.store, first.tokenId)).credential.revokedAt).toBeUndefined();
    });

    it("finds the id taken when the token was revoked, or the agent deregistered", async () => {
      const scene = open();
      const { agentId, enrol, first } = await enrolled(scene);
      await scene.store.deregisterAgent(agentId);
      expect(await caught(enrol("again"))).toBe("ID_TAKEN");
      expect((await scene.store.getAgent(agentId)).status).toBe("deregistered");
      await scene.register({ agentId, role: "worker" });
      await scene.store.revokeCredential(first.tokenId);
      expect(await caught(enrol("again"))).toBe("ID_TAKEN");
    });

    it("is no repeat under another key, or without one", async () => {
      const scene = open();
      const { enrol, first } = await enrolled(scene);
      expect([await caught(enrol("other")), await caught(enrol())]).toEqual(["ID_TAKEN", "ID_TAKEN"]);
      const foreign = await issueKey(scene.store, scene.tag);
      const authority = enrolling(scene.store, foreign, "again");
      const reply = scene.store.registerAgent(agent(`${scene.tag}-1`), authority);
      expect(await caught(reply)).toBe("ID_TAKEN");
      expect((await found(scene.store, first.tokenId)).credential.lastUsedAt).toBeUndefined();
    });

    it("must be of the same agent in the same role", async () => {
      const scene = open();
      const { enrol, first } = await enrolled(scene);
      const other = caught(enrol("again", { agentId: `${scene.tag}-2` }));
      expect([await other, await caught(enrol("again", { role: "observer" }))]).toEqual([
        "IDEMPOTENCY_MISMATCH",
        "IDEMPOTENCY_MISMATCH",
      ]);
      expect((await found(scene.store, first.tokenId)).credential).toMatchObject({ agentId: `${scene.tag}-1` });
    });

    it("needs the key to be valid still", async () => {
      const scene = open();
      const { key, enrol } = await enrolled(scene);
      await scene.store.revokeCredential(key.credentialId);
      expect(await caught(enrol("again"))).toBe("UNAUTHENTICATED");
    });

    it("and the first use of its token: only one of the two counts", async () => {
      const scene = open();
      for (let round = 0; round < 4; round += 1) {
        const key = await issueKey(scene.store, scene.tag);
        const agentId = `${scene.tag}-race-${round}`;
        const one = enrolling(scene.store, key, "again");
        await scene.store.registerAgent(agent(agentId), one);
        const two = enrolling(scene.store, key, "again");
        const [repeat, used] = await Promise.all([
          caught(scene.store.registerAgent(agent(agentId), two)),
          scene.store.recordCredentialUse([one.token.credentialId]),
        ]);
        const first = await scene.store.findCredential({ credentialId: one.token.credentialId });
        const second = await scene.store.findCredential({ credentialId: two.token.credentialId });
        const outcome = [repeat, used.length, first !== undefined, second !== undefined];
        expect([
          ["accepted", 0, false, true],
          ["ID_TAKEN", 1, true, false],
        ]).toContainEqual(outcome);
      }
    });
  });
}
