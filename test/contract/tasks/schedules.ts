import { describe, expect, it } from "@jest/globals";
import { SCHEDULES_MAX } from "../../../src/lib/model/limits.ts";
import type { NewSchedule, ScheduleMove } from "../../../src/lib/store/store.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { newWorkflow } from "../new-workflow.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, DAY, HOUR, MINUTE, only, type Scene, SECOND } from "../support.ts";

/** Schedules: rows that move from one due time to the next, each move together with what it creates (section 13). */
export function schedulesContract(open: StoreFactory): void {
  describe("schedules", () => {
    const stage = useStore(open);

    it("are put, read, listed by supervisor and deleted", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const due = scene.store.now() + HOUR;
      const nightly = scheduleOf(scene, supervisor, { dueAt: due });
      const put = await scene.store.putSchedule(nightly);
      expect(put).toMatchObject({
        created: true,
        schedule: { scheduleId: nightly.scheduleId, dueAt: due, version: 1 },
      });
      const read = await scene.store.getSchedule(nightly.scheduleId);
      expect(read).toEqual(put.schedule);
      expect(read).toMatchObject({
        supervisor,
        cron: "0 3 * * *",
        timezone: "UTC",
        overlap: "allow",
        enabled: true,
        creates: "task",
        refusals: 0,
        log: { recent: [] },
        contents: { value: { task: { taskType: "work", parameters: { text: 'é ✓ "\\\n' } } } },
      });
      const other = scheduleOf(scene, supervisor, { creates: "workflow", enabled: false, dueAt: undefined });
      await scene.store.putSchedule(other);
      const ids = [nightly.scheduleId, other.scheduleId].sort();
      const first = await scene.store.listSchedules({ supervisor, limit: 1 });
      const second = await scene.store.listSchedules({ supervisor, limit: 1, cursor: first.nextCursor ?? "" });
      expect([first, second].map(({ items }) => only(items).scheduleId)).toEqual(ids);
      expect(second.nextCursor).toBeNull();
      const listed = only([...first.items, ...second.items].filter(({ enabled }) => enabled));
      expect(listed).toMatchObject({ scheduleId: nightly.scheduleId, supervisor, creates: "task" });
      expect(at(listed.nextDueAt)).toBe(due);
      expect(listed).not.toHaveProperty("contents");
      expect(await scene.store.deleteSchedule(nightly.scheduleId)).toBe(true);
      expect(await scene.store.deleteSchedule(nightly.scheduleId)).toBe(false);
      expect(await caught(scene.store.getSchedule(nightly.scheduleId))).toBe("NOT_FOUND");
    });

    it("that are put again stay due when cron and time zone stay", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const [due, later] = [scene.store.now() + HOUR, scene.store.now() + 2 * HOUR];
      const first = scheduleOf(scene, supervisor, { dueAt: due });
      await scene.store.putSchedule(first);
      const same = await scene.store.putSchedule({ ...first, overlap: "skip", dueAt: later });
      expect(same).toMatchObject({ created: false, schedule: { dueAt: due, overlap: "skip", version: 2 } });
      const moved = await scene.store.putSchedule({ ...first, timezone: "Europe/Berlin", dueAt: later });
      expect(moved.schedule).toMatchObject({ dueAt: later, timezone: "Europe/Berlin" });
      const off = await scene.store.putSchedule({ ...first, enabled: false, dueAt: undefined });
      expect(off.schedule).toMatchObject({ enabled: false, dueAt: undefined });
      expect((await scene.store.putSchedule({ ...first, dueAt: later })).schedule.dueAt).toBe(later);
    });

    it("belong to a registered supervisor or admin, under an id of its own", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const put = (of: string, scheduleId?: string) =>
        caught(scene.store.putSchedule(scheduleOf(scene, of, scheduleId === undefined ? {} : { scheduleId })));
      expect(await put(scene.id("nobody"))).toBe("AGENT_NOT_FOUND");
      expect(await put(await scene.worker())).toBe("FORBIDDEN");
      expect(await put(await scene.agent("admin"))).toBe("accepted");
      const schedule = scheduleOf(scene, supervisor);
      await scene.store.putSchedule(schedule);
      expect(await put(await scene.supervisor(), schedule.scheduleId)).toBe("ID_TAKEN");
      const gone = await scene.supervisor();
      await scene.store.deregisterAgent(gone);
      expect(await put(gone)).toBe("AGENT_DEREGISTERED");
    });

    it("are at most 1,000 of a supervisor", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const put = (scheduleId: string, of = supervisor) =>
        caught(scene.store.putSchedule(scheduleOf(scene, of, { scheduleId })));
      const ids = Array.from({ length: SCHEDULES_MAX }, () => scene.fresh("s"));
      // In rounds: on Azure SQL each is two round trips on a connection of its own.
      for (let from = 0; from < ids.length; from += 100) {
        const answers = await Promise.all(ids.slice(from, from + 100).map((scheduleId) => put(scheduleId)));
        expect(new Set(answers)).toEqual(new Set(["accepted"]));
      }
      const more = scene.fresh("s");
      expect(await put(more)).toBe("INVALID_REQUEST");
      expect(await put(String(ids[0]))).toBe("accepted");
      expect(await put(scene.fresh("s"), await scene.supervisor())).toBe("accepted");
      await scene.store.deleteSchedule(String(ids[1]));
      expect(await put(more)).toBe("accepted");
      expect(await put(scene.fresh("s"))).toBe("INVALID_REQUEST");
    });

    it("that are due are found, and the time of the next", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        expect(await scene.store.findDueSchedules(0)).toEqual({ due: [], nextDueAt: undefined });
        const [soon, late] = [scene.store.now() + MINUTE, scene.store.now() + HOUR];
        const first = scheduleOf(scene, supervisor, { dueAt: soon });
        await scene.store.putSchedule(scheduleOf(scene, supervisor, { dueAt: late }));
        await scene.store.putSchedule(first);
        await scene.store.putSchedule(scheduleOf(scene, supervisor, { enabled: false, dueAt: undefined }));
        expect(await scene.store.findDueSchedules(0)).toEqual({ due: [], nextDueAt: soon });
        scene.advance(MINUTE + SECOND);
        const { due } = await scene.store.findDueSchedules(0);
        expect(due.map(({ scheduleId }) => scheduleId)).toEqual([first.scheduleId]);
        expect((await scene.store.findDueSchedules(only(due).place)).due).toEqual([]);
      });
    });

    it("fire once for each version: the move and the task are one", async () => {
      const scene = stage.scene();
      const { supervisor, move, scheduleId } = await scheduled(scene);
      const worker = await scene.worker(5);
      const task = scene.task(supervisor);
      const fired = await Promise.all([
        scene.store.fireSchedule(move(task.taskId), { task }),
        scene.store.fireSchedule(move(task.taskId), { task }),
      ]);
      expect(fired.sort()).toEqual([false, true]);
      expect(await scene.look(task.taskId)).toMatchObject({ status: "assigned", assignedTo: worker, supervisor });
      const after = await scene.store.getSchedule(scheduleId);
      expect(after).toMatchObject({ version: 2, log: { last: { taskId: task.taskId } } });
      await scene.complete(await scene.held(task.taskId));
      expect(await scene.results(supervisor, task.taskId)).toHaveLength(1);
    });

    it("create workflows, gates and tasks that wait for others", async () => {
      const scene = stage.scene();
      const { supervisor, move, next } = await scheduled(scene);
      await scene.worker(5);
      const workflow = newWorkflow(scene, supervisor, [
        { ref: "a", taskType: "work" },
        { ref: "b", taskType: "work", dependsOn: ["a"] },
      ]);
      expect(await scene.store.fireSchedule(move(workflow.workflowId), { workflow })).toBe(true);
      expect(await scene.store.getWorkflow(workflow.workflowId)).toMatchObject({
        status: "running",
        counts: { assigned: 1, blocked: 1 },
      });
      const gate = scene.task(supervisor, { requiredCapabilities: [], question: { text: "Deploy?" } });
      expect(await scene.store.fireSchedule(await next(gate.taskId), { task: gate })).toBe(true);
      expect(await scene.waiting(supervisor, "task_question")).toHaveLength(1);
      const dependent = scene.task(supervisor, { dependsOn: [gate.taskId] });
      expect(await scene.store.fireSchedule(await next(dependent.taskId), { task: dependent })).toBe(true);
      expect(await scene.look(dependent.taskId)).toMatchObject({ status: "blocked" });
      await scene.answer(gate.taskId, "1", supervisor, "reject", true);
      expect(await scene.look(dependent.taskId)).toMatchObject({ status: "failed", error: "DEPENDENCY_FAILED" });
      const late = scene.task(supervisor, { dependsOn: [gate.taskId] });
      expect(await scene.store.fireSchedule(await next(late.taskId), { task: late })).toBe(true);
      expect(await scene.look(late.taskId)).toMatchObject({ status: "failed", error: "DEPENDENCY_FAILED" });
    });

    it("are as they were when what they create is refused", async () => {
      const scene = stage.scene();
      const { supervisor, move, scheduleId } = await scheduled(scene);
      const known = await scene.submit(supervisor);
      const fire = (task: ReturnType<Scene["task"]>) => caught(scene.store.fireSchedule(move(task.taskId), { task }));
      expect(await fire(scene.task(supervisor, { taskId: known }))).toBe("ID_TAKEN");
      expect(await fire(scene.task(supervisor, { assignTo: scene.id("nobody") }))).toBe("AGENT_NOT_FOUND");
      const dependent = scene.task(supervisor, { dependsOn: [scene.id("nothing")] });
      expect(await fire(dependent)).toBe("DEPENDENCY_INVALID");
      const flow = newWorkflow(scene, supervisor, [{ ref: "a", taskType: "work" }]);
      await scene.store.createWorkflow(flow);
      expect(await caught(scene.store.fireSchedule(move(flow.workflowId), { workflow: flow }))).toBe("ID_TAKEN");
      await scene.register({ agentId: supervisor, role: "worker" });
      expect(await fire(scene.task(supervisor))).toBe("FORBIDDEN");
      await scene.store.deregisterAgent(supervisor);
      expect(await fire(scene.task(supervisor))).toBe("AGENT_DEREGISTERED");
      const lone = newWorkflow(scene, supervisor, [{ ref: "a", taskType: "work" }]);
      expect(await caught(scene.store.fireSchedule(move("x"), { workflow: lone }))).toBe("AGENT_DEREGISTERED");
      expect(await scene.store.getSchedule(scheduleId)).toMatchObject({ version: 1, log: { recent: [] } });
      expect(await caught(scene.store.getTask(dependent.taskId))).toBe("TASK_NOT_FOUND");
    });

    it("move on without creating anything, and are disabled", async () => {
      const scene = stage.scene();
      const { move, scheduleId } = await scheduled(scene);
      const firing = { firedAt: "2026-01-01T00:00:00.000Z", outcome: "refused", error: "FORBIDDEN: é" } as const;
      const off: ScheduleMove = {
        ...move(undefined),
        dueAt: undefined,
        enabled: false,
        refusals: 3,
        log: { recent: [firing] },
        disables: true,
      };
      expect(await scene.store.moveSchedule(off)).toBe(true);
      expect(await scene.store.moveSchedule(off)).toBe(false);
      const seen = { version: 2, enabled: false, dueAt: undefined, refusals: 3, log: { recent: [firing] } };
      expect(await scene.store.getSchedule(scheduleId)).toMatchObject(seen);
      expect(await scene.store.moveSchedule({ ...off, scheduleId: scene.id("none") })).toBe(false);
      expect(await actions(scene, scheduleId)).toEqual(["schedule.put", "schedule.disabled"]);
    });

    it("are audited: who put, triggered and deleted them", async () => {
      const scene = stage.scene();
      const { supervisor, move, scheduleId } = await scheduled(scene);
      const task = scene.task(supervisor);
      const caller = { actor: supervisor, credential: "token" } as const;
      await actingAs(caller, () =>
        scene.store.fireSchedule({ ...move(task.taskId), triggered: task.taskId }, { task }),
      );
      await actingAs(caller, () => scene.store.deleteSchedule(scheduleId));
      const { items } = await scene.store.listAudit({ subjectKind: "schedule", subjectId: scheduleId, limit: 10 });
      expect(items.map(({ action, actor, detail }) => [action, actor, detail])).toEqual(
        expect.arrayContaining([
          ["schedule.put", "system", { supervisor, created: true, enabled: true }],
          ["schedule.triggered", supervisor, { id: task.taskId }],
          ["schedule.deleted", supervisor, { supervisor }],
        ]),
      );
    });

    it("that a clock ahead has planned are found when it is right again", async () => {
      await withStore(open, {}, async (scene, under) => {
        if (under.clock.set === undefined) return;
        const supervisor = await scene.supervisor();
        const now = scene.store.now();
        under.clock.set(now + 400 * DAY);
        const schedule = scheduleOf(scene, supervisor, { dueAt: scene.store.now() + HOUR });
        await scene.store.putSchedule(schedule);
        under.clock.set(now);
        const { due } = await scene.store.findDueSchedules(0);
        expect(due.map(({ scheduleId }) => scheduleId)).toEqual([schedule.scheduleId]);
      });
    });

    it("have contents that are encrypted, found and replaced as they are", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        const contents = { value: "e1.0aaa.contents", keyVersion: "0aaa" };
        const schedule = scheduleOf(scene, supervisor, { contents });
        await scene.store.putSchedule(schedule);
        expect((await scene.store.getSchedule(schedule.scheduleId)).contents).toEqual(contents);
        const found = await scene.store.findOutdated("schedule", "5bbb");
        expect(found).toMatchObject([{ belongsTo: schedule.scheduleId, keyVersion: "0aaa", ofSystem: false }]);
        expect(await scene.store.countOutdated("5bbb", 10)).toBe(1);
        const replacements = found.map((value) => ({ id: value.id, was: value, text: '"e1.5bbb.contents"' }));
        expect(await scene.store.replaceOutdated("schedule", "5bbb", replacements)).toBe(1);
        expect(await scene.store.replaceOutdated("schedule", "5bbb", replacements)).toBe(0);
        expect(await scene.store.countOutdated("5bbb", 10)).toBe(0);
        const replaced = { value: "e1.5bbb.contents", keyVersion: "5bbb" };
        expect((await scene.store.getSchedule(schedule.scheduleId)).contents).toEqual(replaced);
      });
    });

    it("go with their supervisor when it is deleted", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        const schedule = scheduleOf(scene, supervisor);
        await scene.store.putSchedule(schedule);
        await scene.store.deregisterAgent(supervisor);
        await scene.store.getSchedule(schedule.scheduleId);
        scene.advance(31 * DAY);
        await scene.store.maintain();
        expect(await caught(scene.store.getSchedule(schedule.scheduleId))).toBe("NOT_FOUND");
      });
    });
  });
}

function scheduleOf(scene: Scene, supervisor: string, more: Partial<NewSchedule> = {}): NewSchedule {
  return {
    scheduleId: scene.fresh("s"),
    supervisor,
    cron: "0 3 * * *",
    timezone: "UTC",
    overlap: "allow",
    enabled: true,
    creates: "task",
    contents: { value: { task: { taskType: "work", parameters: { text: 'é ✓ "\\\n' } } } },
    dueAt: scene.store.now() + HOUR,
    ...more,
  };
}

/** A schedule, the move from its first due time, and that from where it is now. */
async function scheduled(scene: Scene) {
  const supervisor = await scene.supervisor();
  const schedule = scheduleOf(scene, supervisor);
  const { scheduleId } = schedule;
  await scene.store.putSchedule(schedule);
  const move = (taskId: string | undefined, version = 1): ScheduleMove => ({
    scheduleId,
    version,
    dueAt: (schedule.dueAt ?? 0) + version * DAY,
    enabled: true,
    refusals: 0,
    log: { recent: [], ...(taskId === undefined ? {} : { last: { taskId } }) },
  });
  const next = async (taskId: string) => move(taskId, (await scene.store.getSchedule(scheduleId)).version);
  return { supervisor, scheduleId, move, next };
}

async function actions(scene: Scene, subjectId: string): Promise<string[]> {
  const { items } = await scene.store.listAudit({ subjectKind: "schedule", subjectId, limit: 10 });
  return items.map(({ action }) => action).reverse();
}
