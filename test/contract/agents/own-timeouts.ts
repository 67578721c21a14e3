import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, HOUR, MINUTE, type Scene, SECOND } from "../support.ts";

/** The setting, which counts for agents that say nothing else at their registration. */
const SETTING = { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 };

/** Agents that may be silent for longer than others, or shorter. */
export function ownTimeoutsContract(open: StoreFactory): void {
  describe("heartbeat timeouts of an agent's own", () => {
    const stage = useStore(open, SETTING);

    async function register(scene: Scene, heartbeatTimeoutSeconds?: number, agentId = scene.fresh("agent")) {
      const agent = { agentId, capabilities: [scene.skill], maxConcurrentTasks: 1, heartbeatTimeoutSeconds };
      return (await scene.store.registerAgent({ ...agent, role: "worker" })).agent;
    }

    async function statuses(scene: Scene, ...agents: readonly { agentId: string }[]): Promise<string[]> {
      const found: string[] = [];
      for (const { agentId } of agents) found.push((await scene.store.getAgent(agentId)).status);
      return found;
    }

    it("are read with the agent and with its heartbeats; absent where it has none", async () => {
      const scene = stage.scene();
      const [own, plain] = [await register(scene, 3_600), await register(scene)];
      expect(own.heartbeatTimeoutSeconds).toBe(3_600);
      expect(await scene.store.getAgent(own.agentId)).toEqual(own);
      expect(plain).not.toHaveProperty("heartbeatTimeoutSeconds");
      expect((await scene.store.heartbeat({ agentId: own.agentId })).heartbeatTimeoutSeconds).toBe(3_600);
      expect((await scene.store.heartbeat({ agentId: plain.agentId })).heartbeatTimeoutSeconds).toBeNull();
      const draining = await scene.store.heartbeat({ agentId: own.agentId, status: "draining" });
      expect(draining).toMatchObject({ status: "draining", heartbeatTimeoutSeconds: 3_600 });
    });

    it("count instead of the setting, be they longer or shorter", async () => {
      const scene = stage.scene();
      const [thinker, plain, brisk] = [await register(scene, 3_600), await register(scene), await register(scene, 10)];
      await scene.pass(8 * SECOND);
      expect(await statuses(scene, thinker, plain, brisk)).toEqual(["active", "active", "active"]);
      await scene.pass(3 * SECOND);
      expect(await statuses(scene, thinker, plain, brisk)).toEqual(["active", "active", "inactive"]);
      await scene.pass(84 * SECOND);
      expect(await statuses(scene, thinker, plain, brisk)).toEqual(["active", "inactive", "inactive"]);
      await scene.pass(HOUR - 2 * MINUTE);
      expect(await statuses(scene, thinker)).toEqual(["active"]);
      await scene.pass(MINUTE);
      expect(await statuses(scene, thinker)).toEqual(["inactive"]);
    });

    it("begin anew with a heartbeat and with every other sign of life", async () => {
      const scene = stage.scene();
      const brisk = await register(scene, 10);
      const { agentId } = brisk;
      for (const sign of [
        () => scene.store.heartbeat({ agentId }),
        () => scene.receive(agentId),
        () => scene.send(agentId, agentId),
        () => scene.store.heartbeat({ agentId, maxConcurrentTasks: 3 }),
      ]) {
        await scene.pass(6 * SECOND);
        await sign();
        await scene.pass(6 * SECOND);
        expect(await statuses(scene, brisk)).toEqual(["active"]);
        await scene.store.heartbeat({ agentId });
      }
    });

    it("a call is written when the stored sign of life is older than a twelfth of the timeout", async () => {
      const scene = stage.scene();
      const [brisk, thinker] = [await register(scene, 12), await register(scene, 3_600)];
      const beatOf = async (agentId: string) => at((await scene.store.getAgent(agentId)).lastHeartbeatAt);
      const [briskAt, thinkerAt] = [await beatOf(brisk.agentId), await beatOf(thinker.agentId)];
      scene.advance(2 * SECOND);
      for (const { agentId } of [brisk, thinker]) await scene.receive(agentId);
      expect(await beatOf(brisk.agentId)).toBeGreaterThanOrEqual(briskAt + 2 * SECOND);
      expect(await beatOf(thinker.agentId)).toBe(thinkerAt);
    });

    it("registering again sets another one, or goes back to the setting, and the change is audited", async () => {
      const scene = stage.scene();
      const { agentId } = await register(scene, 10);
      expect((await register(scene, 3_600, agentId)).heartbeatTimeoutSeconds).toBe(3_600);
      await scene.pass(95 * SECOND);
      expect(await statuses(scene, { agentId })).toEqual(["active"]);
      expect(await register(scene, undefined, agentId)).not.toHaveProperty("heartbeatTimeoutSeconds");
      await register(scene, undefined, agentId);
      await scene.pass(95 * SECOND);
      expect(await statuses(scene, { agentId })).toEqual(["inactive"]);
      const { items } = await scene.store.listAudit({ limit: 50, subjectKind: "agent", subjectId: agentId });
      const changed = items.filter(({ action }) => action === "agent.changed");
      expect(changed.map(({ detail }) => detail)).toEqual([
        expect.objectContaining({ heartbeatTimeoutChanged: true, metadataChanged: false }),
        expect.objectContaining({ heartbeatTimeoutChanged: true, metadataChanged: false }),
      ]);
    });

    it("an agent that falls silent gives its task back, and comes back with its timeout", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const { agentId } = await register(scene, 10);
      const held = await scene.assign(supervisor);
      await scene.pass(11 * SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "pending", retriesUsed: 1 });
      expect(await scene.store.heartbeat({ agentId })).toMatchObject({ status: "active", heartbeatTimeoutSeconds: 10 });
      await scene.pass(11 * SECOND);
      expect(await statuses(scene, { agentId })).toEqual(["inactive"]);
    });
  });
}
