import { divide } from "../../contract/new-children.ts";
import { newWorkflow } from "../../contract/new-workflow.ts";
import { HOUR, newTask, type Scene } from "../../contract/support.ts";

/** Work that waits in every way: for answers, times, children, other tasks, and a schedule. Nothing of it is in anyone's hands. */
export async function leaveWaiting(scene: Scene): Promise<void> {
  const { store } = scene;
  const think = { requiredCapabilities: ["think"] };
  await scene.register({ role: "worker", agentId: "thinker", capabilities: ["think"], maxConcurrentTasks: 9 });
  const asks = await scene.assign("lead", { ...think, taskId: "asks" });
  await scene.ask(asks, { text: "Which – this?", options: ["this", "that"], askedOf: ["second"] }, { step: "ünïque" });
  const answered = await scene.assign("lead", { ...think, taskId: "answered" });
  const question = { text: "Go?", timeoutSeconds: 7_200, defaultAnswer: "no" };
  const questionId = await scene.ask(answered, question, "half");
  const parent = await scene.assign("lead", { ...think, taskId: "parent", children: { taskTypes: ["part*"] } });
  await divide(scene, parent, [
    { taskId: "part-a", taskType: "part-a", ref: "a" },
    { taskId: "part-b", taskType: "part-b", ref: "b", dependsOn: [{ ref: "a", when: "ended" }] },
  ]);
  const sleeps = await scene.assign("lead", { ...think, taskId: "sleeps" });
  await scene.suspend(sleeps, { at: store.now() + 2 * HOUR });
  const retried = await scene.assign("lead", { ...think, taskId: "opened-again" });
  await scene.fail(retried, { retryable: false });
  await store.heartbeat({ agentId: "thinker", status: "draining" });
  await scene.answer("answered", questionId, "lead", { because: "ja" });
  await store.retryTask("opened-again", "once more");
  await leaveGates(scene);
  await leaveWorkflows(scene);
  await store.putSchedule({
    ...{ scheduleId: "nightly", supervisor: "lead", cron: "0 3 * * *", timezone: "Europe/Berlin", overlap: "skip" },
    ...{ enabled: true, creates: "task", contents: { value: { taskType: "backup" } }, dueAt: store.now() + HOUR },
  });
}

async function leaveGates(scene: Scene): Promise<void> {
  const gate = (taskId: string, dependsOn: string[]) =>
    scene.store.assignTask(
      newTask({
        supervisor: "lead",
        taskId,
        taskType: "gate",
        dependsOn,
        question: { text: "Deploy?", timeoutSeconds: 7_200 },
      }),
    );
  await gate("open-gate", []);
  await gate("later-gate", ["pending"]);
  const expiresAt = new Date(scene.store.now() + 20 * HOUR).toISOString();
  await scene.submit("lead", { taskId: "mortal-task", requiredCapabilities: ["sing"], expiresAt });
}

async function leaveWorkflows(scene: Scene): Promise<void> {
  const { store } = scene;
  const sing = { requiredCapabilities: ["sing"] };
  const tasks = [
    { ref: "a", taskId: "flow-a", taskType: "x", ...sing },
    { ref: "b", taskId: "flow-b", taskType: "x", ...sing, dependsOn: ["a"] },
    { ref: "c", taskId: "flow-c", taskType: "x", ...sing, dependsOn: [{ ref: "a", when: "failed" as const }] },
  ];
  await store.createWorkflow(newWorkflow(scene, "lead", tasks, { workflowId: "flow" }, "flow-key"));
  const called = tasks.map((task) => ({ ...task, taskId: `off-${task.ref}` }));
  await store.createWorkflow(newWorkflow(scene, "lead", called, { workflowId: "called-off-flow", notify: "each" }));
  await store.cancelWorkflow("called-off-flow", "no more");
}
