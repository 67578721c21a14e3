import { describe, expect, it } from "@jest/globals";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { DAY, MINUTE, type Scene, SECOND } from "../support.ts";
import { deeds } from "./audit.ts";

/** Every change of agents and tasks has its entry, and names who made it: the caller, or the switchboard for what follows. */

const BEATS = { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 };

const as = <T>(actor: string, act: () => Promise<T>) => actingAs({ actor, credential: "token" }, act);

const ofAgent = (scene: Scene, subjectId: string) => deeds(scene, { subjectKind: "agent", subjectId });
const ofTask = (scene: Scene, subjectId: string) => deeds(scene, { subjectKind: "task", subjectId });

function agentsAreAudited(open: StoreFactory): void {
  it("that registers, registers again and changes", async () => {
    await withStore(open, {}, async (scene) => {
      const agentId = scene.fresh("agent");
      const register = (more: object) =>
        scene.store.registerAgent({ agentId, role: "worker", capabilities: ["a"], maxConcurrentTasks: 2, ...more });
      const role = "worker";
      await register({});
      await register({});
      await register({ metadata: { secret: "x" } });
      await register({ metadata: { secret: "X" } });
      await register({ metadata: { secret: "X" }, capabilities: ["a", "b"], maxConcurrentTasks: 5 });
      await as("chief", () => register({ role: "observer", capabilities: ["a", "b"], maxConcurrentTasks: 5 }));
      const unchanged = { capabilitiesChanged: false, metadataChanged: false, heartbeatTimeoutChanged: false };
      expect(await ofAgent(scene, agentId)).toEqual([
        [agentId, "agent.registered", { role, status: "active", maxConcurrentTasks: 2 }],
        [agentId, "agent.changed", { role, maxConcurrentTasks: 2, ...unchanged, metadataChanged: true }],
        [agentId, "agent.changed", { role, maxConcurrentTasks: 2, ...unchanged, metadataChanged: true }],
        [agentId, "agent.changed", { role, maxConcurrentTasks: 5, ...unchanged, capabilitiesChanged: true }],
        ["chief", "agent.changed", { role: "observer", maxConcurrentTasks: 5, ...unchanged, metadataChanged: true }],
      ]);
    });
  });

  it("that drains, changes its capacity, leaves and comes back; heartbeats alone are no change", async () => {
    await withStore(open, {}, async (scene) => {
      const agentId = await scene.worker(2);
      await scene.store.heartbeat({ agentId });
      await scene.store.heartbeat({ agentId, status: "draining" });
      await scene.store.heartbeat({ agentId, status: "draining" });
      await as("chief", () => scene.store.heartbeat({ agentId, status: "active", maxConcurrentTasks: 7 }));
      await as("chief", () => scene.store.deregisterAgent(agentId));
      await scene.store.deregisterAgent(agentId);
      await scene.worker(7, [], agentId);
      const about = (await ofAgent(scene, agentId)).slice(1);
      expect(about.map(([actor, action, detail]) => [actor, action, { ...detail }])).toEqual([
        [agentId, "agent.status_changed", { from: "active", to: "draining" }],
        ["chief", "agent.status_changed", { from: "draining", to: "active" }],
        ["chief", "agent.changed", expect.objectContaining({ maxConcurrentTasks: 7, capabilitiesChanged: false })],
        ["chief", "agent.deregistered", { from: "active", to: "deregistered" }],
        [agentId, "agent.status_changed", { from: "deregistered", to: "active" }],
      ]);
    });
  });

  it("that falls silent, wakes by a call of its own, and is forgotten", async () => {
    await withStore(open, { ...BEATS, inactiveRetentionDays: 1 }, async (scene) => {
      const agentId = await scene.agent();
      scene.advance(2 * MINUTE);
      await scene.store.sweep();
      await scene.receive(agentId);
      scene.advance(2 * MINUTE);
      await scene.store.sweep();
      scene.advance(DAY + MINUTE);
      await scene.store.maintain();
      scene.advance(DAY + MINUTE);
      await scene.store.maintain();
      expect((await ofAgent(scene, agentId)).slice(1)).toEqual([
        ["system", "agent.status_changed", { from: "active", to: "inactive" }],
        [agentId, "agent.status_changed", { from: "inactive", to: "active" }],
        ["system", "agent.status_changed", { from: "active", to: "inactive" }],
        ["system", "agent.deregistered", { from: "inactive", to: "deregistered" }],
        ["system", "agent.deleted", {}],
      ]);
    });
  });
}

function tasksAreAudited(open: StoreFactory): void {
  it("from its creation to its completion", async () => {
    await withStore(open, {}, async (scene) => {
      const supervisor = await scene.supervisor();
      const agentId = await scene.worker();
      const held = await scene.assign(supervisor, { description: "secret", parameters: { secret: 1 } });
      await scene.start(held);
      await scene.progress(held, { percent: 10, note: "secret" });
      await scene.complete(held, { secret: true });
      await scene.complete(held, { secret: true });
      expect(await ofTask(scene, held.taskId)).toEqual([
        [supervisor, "task.created", { attempt: 0 }],
        [supervisor, "task.assigned", { attempt: 1, agentId }],
        [agentId, "task.started", { attempt: 1, agentId }],
        [agentId, "task.progress", { attempt: 1, agentId }],
        [agentId, "task.completed", { attempt: 1, agentId }],
      ]);
    });
  });

  it("by whoever calls, where that is said", async () => {
    await withStore(open, {}, async (scene) => {
      const supervisor = await scene.supervisor();
      const agentId = await scene.worker();
      const held = await as("admin-1", () => scene.assign(supervisor));
      await as("admin-2", () => scene.start(held));
      await as("admin-3", () => scene.progress(held));
      await as("admin-4", () => scene.store.cancelTask(held.taskId, "secret"));
      await as("admin-5", () => scene.fail(held, { error: "secret" }));
      expect(await ofTask(scene, held.taskId)).toEqual([
        ["admin-1", "task.created", { attempt: 0 }],
        ["admin-1", "task.assigned", { attempt: 1, agentId }],
        ["admin-2", "task.started", { attempt: 1, agentId }],
        ["admin-3", "task.progress", { attempt: 1, agentId }],
        ["admin-4", "task.cancel_requested", { attempt: 1, agentId }],
        ["admin-5", "task.cancelled", { attempt: 1, agentId, outcome: "cancelled" }],
      ]);
    });
  });

  it("that waits, fails, is handed out again by the switchboard and fails for good", async () => {
    await withStore(open, {}, async (scene) => {
      const supervisor = await scene.supervisor();
      const taskId = await scene.submit(supervisor, { maxRetries: 1 });
      const agentId = await scene.worker();
      await scene.fail(await scene.held(taskId), { error: "secret" });
      await scene.pass(MINUTE);
      await scene.fail(await scene.held(taskId), { error: "secret" });
      expect(await ofTask(scene, taskId)).toEqual([
        [supervisor, "task.created", { attempt: 0 }],
        ["system", "task.assigned", { attempt: 1, agentId }],
        [agentId, "task.requeued", { attempt: 1, agentId, outcome: "failed" }],
        ["system", "task.assigned", { attempt: 2, agentId }],
        [agentId, "task.failed", { attempt: 2, agentId, outcome: "failed" }],
      ]);
    });
  });

  it("that the sweep takes back: past its deadline, or from an agent that fell silent or left", async () => {
    await withStore(open, BEATS, async (scene) => {
      const supervisor = await scene.supervisor();
      const agentId = await scene.worker(3);
      const late = await scene.submit(supervisor, { timeoutSeconds: 5, maxRetries: 0 });
      await scene.pass(10 * SECOND);
      const silent = await scene.submit(supervisor, { timeoutSeconds: 3_600 });
      await scene.pass(3 * MINUTE);
      await scene.worker(3, [], agentId);
      await as(agentId, () => scene.store.deregisterAgent(agentId));
      expect((await ofTask(scene, late)).slice(2)).toEqual([
        ["system", "task.failed", { attempt: 1, agentId, outcome: "timed_out" }],
      ]);
      expect((await ofTask(scene, silent)).slice(2)).toEqual([
        ["system", "task.requeued", { attempt: 1, agentId, outcome: "agent_inactive" }],
        ["system", "task.assigned", { attempt: 2, agentId }],
        ["system", "task.requeued", { attempt: 2, agentId, outcome: "released" }],
      ]);
    });
  });

  it("that depends on others: what their ending brings about is the switchboard's", async () => {
    await withStore(open, {}, async (scene) => {
      const supervisor = await scene.supervisor();
      await scene.worker();
      const [first, second] = [await scene.assign(supervisor), await scene.submit(supervisor)];
      const goesOn = await scene.submit(supervisor, { dependsOn: [first.taskId], requiredCapabilities: ["nobody"] });
      const fails = await scene.submit(supervisor, { dependsOn: [second] });
      await scene.complete(first);
      await as("chief", () => scene.store.cancelTask(second, "secret"));
      const tooLate = await scene.submit(supervisor, { dependsOn: [second] });
      const created = [supervisor, "task.created", { attempt: 0 }];
      expect(await ofTask(scene, goesOn)).toEqual([created, ["system", "task.unblocked", { attempt: 0 }]]);
      expect(await ofTask(scene, fails)).toEqual([created, ["system", "task.failed", { attempt: 0 }]]);
      expect(await ofTask(scene, tooLate)).toEqual([created, ["system", "task.failed", { attempt: 0 }]]);
      const last = (await ofTask(scene, second)).at(-1);
      expect(last).toEqual(["chief", "task.cancelled", { attempt: 1, agentId: first.agentId, outcome: "cancelled" }]);
    });
  });

  it("and not when the call is refused or repeated", async () => {
    await withStore(open, {}, async (scene) => {
      const supervisor = await scene.supervisor();
      await scene.worker();
      const task = scene.task(supervisor, { taskId: scene.fresh("t") });
      await scene.store.assignTask(task);
      await scene.store.assignTask(task);
      const held = await scene.held(task.taskId);
      await expect(scene.complete({ ...held, attempt: 9 })).rejects.toMatchObject({ code: "LEASE_LOST" });
      await scene.start(held);
      await scene.start(held);
      const actions = (await ofTask(scene, task.taskId)).map(([, action]) => action);
      expect(actions).toEqual(["task.created", "task.assigned", "task.started"]);
    });
  });
}

export function auditedChangesContract(open: StoreFactory): void {
  describe("the audit of an agent", () => agentsAreAudited(open));
  describe("the audit of a task", () => tasksAreAudited(open));
}
