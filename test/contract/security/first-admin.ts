import { beforeEach, describe, expect, it } from "@jest/globals";
import type { RegisterAgent } from "../../../src/lib/model/agent.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, HOUR, MINUTE } from "../support.ts";
import { deeds } from "./audit.ts";
import { bootstrapping, found, issueToken } from "./issued.ts";

/** The first admin and its token, made by those that have the database: one, however many are asked for at once. */
export function firstAdminContract(open: StoreFactory): void {
  describe("the first admin", () => {
    const stage = useStore(open);

    const admin = (agentId: string, more: Partial<RegisterAgent> = {}): RegisterAgent => ({
      agentId,
      role: "admin",
      capabilities: [],
      maxConcurrentTasks: 0,
      ...more,
    });

    /** None has a credential that is valid. */
    beforeEach(async () => {
      const { store } = stage.under;
      const { items } = await store.listCredentials({ limit: 200 });
      for (const { credentialId } of items) await store.revokeCredential(credentialId);
    });

    it("is made with its token, and both are in the audit", async () => {
      const scene = stage.scene();
      const { store } = scene;
      const agentId = scene.id("root");
      const authority = bootstrapping(store, false);
      const expiresInMilliseconds = 5 * MINUTE;
      const token = { ...authority.token, expiresInMilliseconds };
      const { agent, created } = await store.registerAgent(admin(agentId), { ...authority, token });
      expect([created, agent]).toMatchObject([true, { agentId, role: "admin", status: "active" }]);
      const { credential, secretHash } = await found(store, token.credentialId);
      expect(credential).toMatchObject({ kind: "token", agentId, label: "first ✓", createdBy: "system" });
      expect(secretHash).toBe(token.secretHash);
      expect(Date.parse(credential.expiresAt ?? "") - Date.parse(credential.createdAt)).toBe(expiresInMilliseconds);
      expect(await deeds(scene, { subjectId: token.credentialId })).toEqual([
        ["system", "credential.issued", { kind: "token", agentId }],
      ]);
      expect(await deeds(scene, { subjectId: agentId })).toMatchObject([[agentId, "agent.registered", {}]]);
    });

    it("is one, however many are asked for at once, and of the others nothing stays", async () => {
      const scene = stage.scene();
      const { store } = scene;
      const ids = ["a", "b", "c", "d"].map((name) => scene.id(name));
      const answers = await Promise.allSettled(
        ids.map((agentId) => store.registerAgent(admin(agentId), bootstrapping(store, false))),
      );
      const refused = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason.code] : []));
      expect(refused).toEqual(["FORBIDDEN", "FORBIDDEN", "FORBIDDEN"]);
      const there = await Promise.all(ids.map((agentId) => caught(store.getAgent(agentId))));
      expect(there.filter((one) => one !== "AGENT_NOT_FOUND")).toHaveLength(1);
    });

    it("is refused while an admin has a valid credential, and nothing is written; `again` makes another token", async () => {
      const scene = stage.scene();
      const { store } = scene;
      const [first, second] = [scene.id("first"), scene.id("second")];
      await store.registerAgent(admin(first), bootstrapping(store, false));
      const refused = bootstrapping(store, false);
      expect(await caught(store.registerAgent(admin(second), refused))).toBe("FORBIDDEN");
      expect(await caught(store.registerAgent(admin(first), bootstrapping(store, false)))).toBe("FORBIDDEN");
      expect(await caught(store.getAgent(second))).toBe("AGENT_NOT_FOUND");
      expect(await store.findCredential({ credentialId: refused.token.credentialId })).toBeUndefined();
      const again = bootstrapping(store, true);
      expect((await store.registerAgent(admin(first), again)).created).toBe(false);
      expect((await found(store, again.token.credentialId)).agent).toMatchObject({ agentId: first, role: "admin" });
    });

    it("is refused by a certificate as by a token; not by one that has ended, nor by those of others", async () => {
      const scene = stage.scene();
      const { store } = scene;
      const [root, hand] = [scene.id("root"), await scene.worker()];
      await issueToken(store, hand);
      await store.registerAgent(admin(root), undefined);
      const { credentialId } = await issueToken(store, root);
      await store.revokeCredential(credentialId);
      await issueToken(store, root, { expiresInMilliseconds: HOUR });
      await issueToken(store, root, { idleDays: 1 });
      const make = () => caught(store.registerAgent(admin(root), bootstrapping(store, false)));
      expect(await make()).toBe("FORBIDDEN");
      // A day is added to the days of disuse, because uses are noted once a day.
      scene.advance(47 * HOUR);
      expect(await make()).toBe("FORBIDDEN");
      scene.advance(HOUR);
      const subject = `CN=${scene.tag}`;
      const certificate = `${credentialId.slice(0, -1)}${credentialId.endsWith("0") ? "1" : "0"}`;
      await store.issueCredential({ kind: "certificate", credentialId: certificate, agentId: root, subject });
      expect(await make()).toBe("FORBIDDEN");
      await store.revokeCredential(certificate);
      expect(await make()).toBe("accepted");
    });

    it("comes back when it was deregistered, with what it is to have; of another role it is refused", async () => {
      const scene = stage.scene();
      const { store } = scene;
      const [root, hand] = [await scene.agent("admin"), await scene.worker()];
      await store.deregisterAgent(root);
      expect(await caught(store.registerAgent(admin(hand), bootstrapping(store, false)))).toBe("FORBIDDEN");
      expect((await store.getAgent(hand)).role).toBe("worker");
      const reply = await store.registerAgent(admin(root, { metadata: { v: 1 } }), bootstrapping(store, false));
      expect(reply).toMatchObject({ created: false, agent: { status: "active", metadata: { v: 1 } } });
    });
  });
}
