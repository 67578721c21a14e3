import type { AuditBlock } from "../../../src/lib/model/audit.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { divide } from "../../contract/new-children.ts";
import { newWorkflow, type WorkflowTasks } from "../../contract/new-workflow.ts";
import { bootstrapping, enrolling, issueKey, issueToken } from "../../contract/security/issued.ts";
import { DAY, HOUR, MINUTE, type Scene, SECOND } from "../../contract/support.ts";

/** Every verb of the store that asks the server, each as one call on a scene that was made for it. */

export type Verb = Exclude<keyof Store, "now" | "onDeliverable" | "close">;

/** The call; its answer is what matters. */
type Act = () => Promise<unknown>;

export interface VerbCase {
  /** Makes what the call acts on, and gives the call. */
  arrange(scene: Scene): Promise<Act>;
  /** Reads or changes all of a database, so it needs one of its own. */
  alone?: boolean;
  /** What the repeat of a call that had been done may answer beside the first answer. */
  repeated?(answer: unknown): unknown;
  /** A report of many steps: one whose answer was lost finds nothing left to do, so its counts may be lower. */
  report?: boolean;
}

const page = { limit: 200 };

/** A send or assignment that is repeated says so. */
function duplicates(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(duplicates);
  return typeof answer === "object" && answer !== null ? { ...answer, duplicate: true } : answer;
}

/** A supervisor, a worker with room for one, and a task that the worker has. */
async function assigned(scene: Scene) {
  const supervisor = await scene.supervisor();
  const worker = await scene.worker();
  return { supervisor, worker, held: await scene.assign(supervisor) };
}

/** The same, with a task that waits for the worker and one that depends on the first: what an ending sets going. */
async function crowded(scene: Scene) {
  const made = await assigned(scene);
  const waiting = await scene.submit(made.supervisor);
  await scene.submit(made.supervisor, {
    dependsOn: [made.held.taskId],
    requiredCapabilities: [`${scene.skill}-other`],
  });
  return { ...made, waiting };
}

const FLOW: WorkflowTasks = [
  { ref: "a", taskType: "work" },
  { ref: "b", taskType: "work", dependsOn: ["a"] },
  { ref: "c", taskType: "work", dependsOn: [{ ref: "b", when: "failed" }] },
];

/** A workflow of three tasks, one of which a worker has. */
async function flow(scene: Scene) {
  const supervisor = await scene.supervisor();
  await scene.worker();
  const { workflowId } = await scene.store.createWorkflow(newWorkflow(scene, supervisor, FLOW));
  return { supervisor, workflowId };
}

/** Two agents, and messages of one in the mailbox of the other. */
async function mail(scene: Scene, count: number) {
  const sender = await scene.agent();
  const receiver = await scene.agent();
  const messageIds: string[] = [];
  for (let n = 0; n < count; n++) messageIds.push(await scene.send(sender, receiver, { payload: { n } }));
  return { sender, receiver, messageIds };
}

/** A broadcast channel with two members. */
async function channelOfTwo(scene: Scene) {
  const [a, b] = [await scene.agent(), await scene.agent()];
  return { a, b, name: await scene.channel("broadcast", { members: [a, b] }) };
}

async function deadMail(scene: Scene) {
  const { sender, receiver } = await mail(scene, 0);
  const messageIds = [await scene.deadLetter(sender, receiver), await scene.deadLetter(sender, receiver)];
  return { sender, receiver, messageIds };
}

const agents: Pick<
  Record<Verb, VerbCase>,
  "registerAgent" | "getAgent" | "listAgents" | "deregisterAgent" | "heartbeat"
> = {
  registerAgent: {
    async arrange(scene) {
      await scene.submit(await scene.supervisor());
      // It is given the waiting task before the call answers.
      const capabilities = [scene.skill];
      const agent = { agentId: scene.fresh("worker"), role: "worker", capabilities, maxConcurrentTasks: 2 } as const;
      return () => scene.store.registerAgent({ ...agent, metadata: { site: "é ✓" } });
    },
  },
  getAgent: {
    async arrange(scene) {
      const { worker } = await assigned(scene);
      return () => scene.store.getAgent(worker);
    },
  },
  listAgents: {
    async arrange(scene) {
      await scene.worker();
      await scene.worker(3);
      return () => scene.store.listAgents({ ...page, capability: scene.skill });
    },
  },
  deregisterAgent: {
    async arrange(scene) {
      const { worker } = await crowded(scene);
      await scene.worker();
      return () => scene.store.deregisterAgent(worker);
    },
  },
  heartbeat: {
    async arrange(scene) {
      const { worker } = await assigned(scene);
      return () => scene.store.heartbeat({ agentId: worker, status: "draining", maxConcurrentTasks: 4 });
    },
  },
};

const credentials: Pick<
  Record<Verb, VerbCase>,
  "findCredential" | "issueCredential" | "listCredentials" | "revokeCredential" | "renewToken" | "recordCredentialUse"
> = {
  findCredential: {
    async arrange(scene) {
      const agentId = await scene.agent();
      const thumbprint = scene.tag.padEnd(64, "0");
      await scene.store.issueCredential({
        kind: "certificate",
        credentialId: newId(scene.store.now()),
        agentId,
        thumbprint,
      });
      return () => scene.store.findCredential({ thumbprint, subject: `CN=${scene.tag}` });
    },
  },
  issueCredential: {
    async arrange(scene) {
      const agentIds = [scene.id("a"), scene.id("b")];
      const objectId = `${scene.tag}-1111-4222-8333-444444444444`;
      const label = 'é ✓ "\\';
      const credentialId = newId(scene.store.now());
      return () => scene.store.issueCredential({ kind: "principal", credentialId, objectId, agentIds, label });
    },
  },
  listCredentials: {
    async arrange(scene) {
      const agentId = await scene.agent();
      await issueToken(scene.store, agentId);
      await issueToken(scene.store, agentId);
      return () => scene.store.listCredentials({ ...page, agentId, kind: "token" });
    },
  },
  revokeCredential: {
    async arrange(scene) {
      const { credentialId } = await issueToken(scene.store, await scene.agent());
      return () => scene.store.revokeCredential(credentialId);
    },
  },
  renewToken: {
    async arrange(scene) {
      const { credentialId } = await issueToken(scene.store, await scene.agent(), {
        expiresInMilliseconds: 86_400_000,
      });
      const token = { credentialId: newId(scene.store.now()), secretHash: "r".repeat(43) };
      return () => scene.store.renewToken({ credentialId, token });
    },
  },
  recordCredentialUse: {
    async arrange(scene) {
      const agentId = await scene.agent();
      const ids = [await issueToken(scene.store, agentId), await issueToken(scene.store, agentId)];
      return () => scene.store.recordCredentialUse(ids.map(({ credentialId }) => credentialId));
    },
  },
};

const agent = (agentId: string) => ({ agentId, role: "worker" as const, capabilities: [], maxConcurrentTasks: 1 });

/** What a verb does beside its usual work, where its repeat could go wrong in a way of its own. */
const more = {
  "registerAgent by enrolment": {
    async arrange(scene: Scene) {
      const key = await issueKey(scene.store, scene.id("enrolled"));
      const authority = enrolling(scene.store, key, scene.id("key"));
      return () => scene.store.registerAgent(agent(scene.id("enrolled")), authority);
    },
  },
  "registerAgent by enrolment again": {
    async arrange(scene: Scene) {
      const key = await issueKey(scene.store, scene.id("enrolled"), { maxUses: 1 });
      const register = () =>
        scene.store.registerAgent(agent(scene.id("enrolled")), enrolling(scene.store, key, scene.id("key")));
      await register();
      return register;
    },
  },
  "registerAgent of a first admin": {
    async arrange(scene: Scene) {
      const authority = bootstrapping(scene.store, true);
      return () => scene.store.registerAgent({ ...agent(scene.id("first")), role: "admin" }, authority);
    },
  },
  "registerAgent of its own": {
    async arrange(scene: Scene) {
      const { agentId } = await scene.register({ role: "worker" });
      await scene.store.deregisterAgent(agentId);
      return () => scene.store.registerAgent(agent(agentId), { kind: "own" });
    },
  },
  "suspendTask until children have ended": {
    async arrange(scene: Scene) {
      const supervisor = await scene.supervisor();
      await scene.worker(3);
      const held = await scene.assign(supervisor, { children: { taskTypes: ["part"] } });
      const taskIds = [scene.fresh("c"), scene.fresh("c")];
      return () =>
        divide(
          scene,
          held,
          taskIds.map((taskId) => ({ taskId, taskType: "part" })),
          7,
        );
    },
  },
  "createWorkflow of what is lost already": {
    async arrange(scene: Scene) {
      const { supervisor, held } = await assigned(scene);
      await scene.fail(held, { retryable: false });
      const tasks: WorkflowTasks = [...FLOW, { ref: "behind", taskType: "work", dependsOn: [held.taskId] }];
      const workflow = newWorkflow(scene, supervisor, tasks);
      return () => scene.store.createWorkflow(workflow);
    },
    repeated: duplicates,
  },
} satisfies Record<string, VerbCase>;

const messages: Pick<
  Record<Verb, VerbCase>,
  | "sendMessages"
  | "getMessage"
  | "relationToMessage"
  | "peekMessages"
  | "findDeliverable"
  | "claimMessages"
  | "settleMessages"
  | "renewLease"
> = {
  sendMessages: {
    async arrange(scene) {
      const { sender, receiver } = await mail(scene, 0);
      const batch = [
        scene.message(sender, receiver, { messageId: scene.fresh("m"), orderingKey: "k", payload: 'é ✓ "\\\n' }),
        scene.message(sender, receiver, { messageId: scene.fresh("m"), orderingKey: "k", priority: "urgent" }),
        scene.message(sender, receiver, {}, scene.id("key")),
      ];
      return () => scene.store.sendMessages(batch);
    },
    repeated: duplicates,
  },
  getMessage: {
    async arrange(scene) {
      const { messageIds } = await mail(scene, 1);
      return () => scene.read(messageIds[0] ?? "");
    },
  },
  relationToMessage: {
    async arrange(scene) {
      const { receiver, messageIds } = await mail(scene, 1);
      return () => scene.store.relationToMessage(receiver, messageIds[0] ?? "");
    },
  },
  peekMessages: {
    async arrange(scene) {
      const { receiver } = await mail(scene, 3);
      return () => scene.store.peekMessages(receiver, page);
    },
  },
  findDeliverable: {
    async arrange(scene) {
      const { sender, receiver } = await mail(scene, 1);
      return () => scene.store.findDeliverable([sender, receiver]);
    },
  },
  claimMessages: {
    async arrange(scene) {
      const { receiver } = await mail(scene, 3);
      return () => scene.claim(receiver, { maxMessages: 2 });
    },
  },
  settleMessages: {
    async arrange(scene) {
      const { receiver } = await mail(scene, 3);
      const leased = await scene.receive(receiver, { maxMessages: 3 });
      const outcomes = ["complete", "retry", "dead_letter"] as const;
      const settlements = leased.map(({ messageId, attempt }, n) => ({
        messageId,
        attempt,
        outcome: outcomes[n] ?? "complete",
        delayMilliseconds: MINUTE,
        reason: "because",
      }));
      const unknown = { messageId: scene.id("unknown"), attempt: 1, outcome: "complete" as const };
      return () => scene.store.settleMessages(receiver, [...settlements, unknown]);
    },
  },
  renewLease: {
    async arrange(scene) {
      const { receiver } = await mail(scene, 1);
      const { messageId, attempt } = await scene.receiveOne(receiver);
      return () => scene.store.renewLease({ agentId: receiver, messageId, attempt, leaseMilliseconds: HOUR });
    },
  },
};

const deadLetters: Pick<
  Record<Verb, VerbCase>,
  | "withdrawMessage"
  | "purgeMailbox"
  | "listDeadLetters"
  | "redriveDeadLetters"
  | "purgeDeadLetters"
  | "putMessageType"
  | "findMessageType"
  | "listMessageTypes"
  | "deleteMessageType"
> = {
  withdrawMessage: {
    async arrange(scene) {
      const { sender, receiver } = await mail(scene, 1);
      const messageId = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 60 });
      return () => scene.store.withdrawMessage(messageId);
    },
  },
  purgeMailbox: {
    async arrange(scene) {
      const { sender, receiver } = await mail(scene, 3);
      return () => scene.store.purgeMailbox(receiver, { filter: { sender }, dryRun: false });
    },
  },
  listDeadLetters: {
    async arrange(scene) {
      const { receiver } = await deadMail(scene);
      return () => scene.store.listDeadLetters({ ...page, receiver });
    },
  },
  redriveDeadLetters: {
    async arrange(scene) {
      const { receiver } = await deadMail(scene);
      return () => scene.store.redriveDeadLetters({ filter: { receiver }, dryRun: false });
    },
  },
  purgeDeadLetters: {
    async arrange(scene) {
      const { messageIds } = await deadMail(scene);
      return () => scene.store.purgeDeadLetters({ messageIds, dryRun: false });
    },
  },
  putMessageType: {
    async arrange(scene) {
      return () => scene.store.putMessageType(`lost.${scene.tag}`, { type: "object" });
    },
  },
  findMessageType: {
    async arrange(scene) {
      await scene.store.putMessageType(`lost.${scene.tag}`, { type: "object" });
      return () => scene.store.findMessageType(`lost.${scene.tag}`);
    },
  },
  listMessageTypes: {
    alone: true,
    async arrange(scene) {
      await scene.store.putMessageType(`lost.${scene.tag}`, { type: "object" });
      return () => scene.store.listMessageTypes(page);
    },
  },
  deleteMessageType: {
    async arrange(scene) {
      await scene.store.putMessageType(`lost.${scene.tag}`, { type: "object" });
      return () => scene.store.deleteMessageType(`lost.${scene.tag}`);
    },
  },
};

const taskReads: Pick<
  Record<Verb, VerbCase>,
  | "previewAssignment"
  | "getTask"
  | "findTaskVersions"
  | "getDependencies"
  | "listTasks"
  | "relationToTask"
  | "getAssignments"
  | "getTaskHistory"
  | "getQuestion"
  | "listQuestions"
  | "getWorkflow"
  | "listWorkflows"
  | "ownsWorkflow"
> = {
  // An explanation counts all workers, those of other scenes as well.
  previewAssignment: {
    alone: true,
    async arrange(scene) {
      const supervisor = await scene.supervisor();
      await scene.worker();
      const task = scene.task(supervisor, { taskId: scene.fresh("t") });
      return () => scene.store.previewAssignment(task);
    },
  },
  getTask: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      return () => scene.look(held.taskId);
    },
  },
  findTaskVersions: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      return () => scene.store.findTaskVersions([held.taskId, "nobody-has-it"]);
    },
  },
  getDependencies: {
    async arrange(scene) {
      const { held, supervisor } = await assigned(scene);
      const taskId = await scene.submit(supervisor, { dependsOn: [held.taskId] });
      await scene.complete(held, { n: 1 });
      return () => scene.store.getDependencies(taskId);
    },
  },
  listTasks: {
    async arrange(scene) {
      const { supervisor } = await crowded(scene);
      return () => scene.store.listTasks({ ...page, supervisor });
    },
  },
  relationToTask: {
    async arrange(scene) {
      const { held, supervisor } = await assigned(scene);
      await scene.complete(held);
      const agentId = await scene.worker();
      await scene.submit(supervisor, { dependsOn: [held.taskId], assignTo: agentId });
      return () => scene.store.relationToTask(agentId, held.taskId);
    },
  },
  getAssignments: {
    alone: true,
    async arrange(scene) {
      const { held } = await assigned(scene);
      return () => scene.store.getAssignments(held.taskId, page);
    },
  },
  getTaskHistory: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      return () => scene.store.getTaskHistory(held.taskId, page);
    },
  },
  getQuestion: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      const questionId = await scene.ask(held, { text: "Which?" });
      return () => scene.store.getQuestion(held.taskId, questionId);
    },
  },
  getWorkflow: {
    async arrange(scene) {
      const { workflowId } = await flow(scene);
      return () => scene.store.getWorkflow(workflowId);
    },
  },
  listWorkflows: {
    async arrange(scene) {
      const { supervisor } = await flow(scene);
      return () => scene.store.listWorkflows({ ...page, supervisor });
    },
  },
  ownsWorkflow: {
    async arrange(scene) {
      const { supervisor, workflowId } = await flow(scene);
      return () => scene.store.ownsWorkflow(supervisor, workflowId);
    },
  },
  listQuestions: {
    async arrange(scene) {
      const { held, supervisor } = await assigned(scene);
      await scene.ask(held, { text: "Which?" });
      return () => scene.store.listQuestions({ ...page, agentId: supervisor });
    },
  },
};

const tasks: Pick<
  Record<Verb, VerbCase>,
  | "assignTask"
  | "startTask"
  | "progressTask"
  | "completeTask"
  | "failTask"
  | "suspendTask"
  | "answerQuestion"
  | "cancelTask"
  | "retryTask"
  | "createWorkflow"
  | "cancelWorkflow"
  | "retryWorkflow"
> = {
  assignTask: {
    async arrange(scene) {
      const { supervisor } = await assigned(scene);
      await scene.worker();
      const task = scene.task(supervisor, { taskId: scene.fresh("t"), description: "é ✓", parameters: { a: [1] } });
      return () => scene.store.assignTask(task);
    },
    repeated: duplicates,
  },
  startTask: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      return () => scene.start(held);
    },
  },
  progressTask: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      return () => scene.progress(held, { percent: 40, note: "é ✓", extendSeconds: 3_600 });
    },
  },
  completeTask: {
    async arrange(scene) {
      const { held } = await crowded(scene);
      return () => scene.complete(held, { text: 'é ✓ "\\\n' });
    },
  },
  failTask: {
    async arrange(scene) {
      const { held } = await crowded(scene);
      return () => scene.fail(held);
    },
  },
  suspendTask: {
    async arrange(scene) {
      const { held, supervisor } = await crowded(scene);
      const question = {
        text: "é ✓?",
        options: ["a", "b"],
        askedOf: [supervisor],
        timeoutSeconds: 60,
        defaultAnswer: "a",
      };
      return () => scene.suspend(held, question, { checkpoint: { a: [1] } });
    },
  },
  answerQuestion: {
    async arrange(scene) {
      const { held, supervisor } = await assigned(scene);
      const questionId = await scene.ask(held, { text: "Which?" });
      return () => scene.answer(held.taskId, questionId, supervisor, "é ✓");
    },
  },
  createWorkflow: {
    async arrange(scene) {
      const supervisor = await scene.supervisor();
      await scene.worker();
      const workflow = newWorkflow(scene, supervisor, FLOW);
      return () => scene.store.createWorkflow(workflow);
    },
    repeated: duplicates,
  },
  cancelWorkflow: {
    async arrange(scene) {
      const { workflowId } = await flow(scene);
      return () => scene.store.cancelWorkflow(workflowId, "no longer needed");
    },
  },
  retryWorkflow: {
    async arrange(scene) {
      const { workflowId } = await flow(scene);
      await scene.store.cancelWorkflow(workflowId, "no longer needed");
      return () => scene.store.retryWorkflow(workflowId, "needed again é ✓");
    },
  },
  retryTask: {
    async arrange(scene) {
      const { held, supervisor } = await assigned(scene);
      await scene.submit(supervisor, { dependsOn: [held.taskId] });
      await scene.fail(held, { retryable: false });
      return () => scene.store.retryTask(held.taskId, 'again é ✓ "\\\n');
    },
  },
  cancelTask: {
    async arrange(scene) {
      const { held } = await crowded(scene);
      return () => scene.store.cancelTask(held.taskId, "no longer needed");
    },
  },
};

/** What is the same of a block in every scene: numbers go on, and hashes follow from them. */
function blockOf({ blockNo, entryCount }: AuditBlock) {
  return { blockNo, entryCount };
}

/** An agent, and what is recorded of it in a block. */
async function sealed(scene: Scene): Promise<void> {
  await scene.agent();
  await scene.pass(2 * MINUTE);
}

const audit: Pick<
  Record<Verb, VerbCase>,
  "listAudit" | "recordAudit" | "listAuditBlocks" | "getAuditBlock" | "newestAuditBlock" | "unsealedAudit"
> = {
  listAudit: {
    async arrange(scene) {
      await scene.store.putMessageType(`lost.${scene.tag}`, { type: "object" });
      const subject = { subjectKind: "message_type", subjectId: `lost.${scene.tag}` } as const;
      return async () => {
        const { items } = await scene.store.listAudit({ ...page, ...subject });
        return items.map(({ actor, action, subjectId, detail }) => ({ actor, action, subjectId, detail }));
      };
    },
  },
  recordAudit: {
    async arrange(scene) {
      const entry = {
        action: "request.refused",
        subjectKind: "request",
        detail: { code: "FORBIDDEN", count: 3 },
      } as const;
      return () => scene.store.recordAudit([{ ...entry, actor: scene.id("agent"), subjectId: scene.id("minute") }]);
    },
  },
  listAuditBlocks: {
    alone: true,
    async arrange(scene) {
      await sealed(scene);
      return async () => (await scene.store.listAuditBlocks({ ...page, after: 0 })).items.map(blockOf);
    },
  },
  getAuditBlock: {
    alone: true,
    async arrange(scene) {
      await sealed(scene);
      return async () => {
        const { block, members, strays } = await scene.store.getAuditBlock(1);
        return { ...blockOf(block), strays, actions: members.map(({ entry }) => entry?.action) };
      };
    },
  },
  newestAuditBlock: {
    alone: true,
    async arrange(scene) {
      await sealed(scene);
      return async () => {
        const block = await scene.store.newestAuditBlock();
        return block && blockOf(block);
      };
    },
  },
  unsealedAudit: {
    alone: true,
    async arrange(scene) {
      await sealed(scene);
      await scene.agent();
      return async () => (await scene.store.unsealedAudit()).count;
    },
  },
};

/** A message and a task, both with an encrypted value. */
async function sensitive(scene: Scene) {
  const { sender, receiver } = await mail(scene, 0);
  const message = {
    ...scene.message(sender, receiver, { messageId: scene.fresh("m"), payload: "e1.0.s" }),
    keyVersion: "0",
  };
  await scene.store.sendMessages([message]);
  const task = scene.task(await scene.supervisor(), { taskId: scene.fresh("t"), parameters: "e1.0.p" });
  await scene.store.assignTask({ ...task, keyVersion: "0" });
  return { receiver, messageId: message.messageId, taskId: task.taskId };
}

const encryption: Pick<
  Record<Verb, VerbCase>,
  "giveBackMessages" | "isSensitiveTask" | "countOutdated" | "findOutdated" | "replaceOutdated"
> = {
  giveBackMessages: {
    async arrange(scene) {
      const { receiver } = await mail(scene, 2);
      const messages = await scene.receive(receiver, { maxMessages: 2 });
      return () => scene.store.giveBackMessages({ agentId: receiver, messages, delayMilliseconds: MINUTE });
    },
  },
  isSensitiveTask: {
    async arrange(scene) {
      const { taskId } = await sensitive(scene);
      return () => scene.store.isSensitiveTask(taskId);
    },
  },
  countOutdated: {
    alone: true,
    async arrange(scene) {
      await sensitive(scene);
      return () => scene.store.countOutdated("1", 10);
    },
  },
  findOutdated: {
    alone: true,
    async arrange(scene) {
      await sensitive(scene);
      // Where they are in the index is another place on each database.
      return async () =>
        (await scene.store.findOutdated("message", "1")).map((value) => ({ ...value, place: "anywhere" }));
    },
  },
  replaceOutdated: {
    async arrange(scene) {
      const { taskId } = await sensitive(scene);
      const was = { keyVersion: "0", text: '"e1.0.p"' };
      return () => scene.store.replaceOutdated("parameters", "1", [{ id: taskId, was, text: '"e1.1.p"' }]);
    },
    // What the first try replaced, its repeat passes over.
    repeated: () => 0,
  },
};

const upkeep: Pick<
  Record<Verb, VerbCase>,
  | "queueStatistics"
  | "registryStatistics"
  | "coordinationStatistics"
  | "checkHealth"
  | "sweep"
  | "sweepDueTasks"
  | "nextTaskDue"
  | "maintain"
> = {
  queueStatistics: {
    alone: true,
    async arrange(scene) {
      await deadMail(scene);
      return () => scene.store.queueStatistics();
    },
  },
  registryStatistics: {
    alone: true,
    async arrange(scene) {
      await assigned(scene);
      return () => scene.store.registryStatistics();
    },
  },
  coordinationStatistics: {
    alone: true,
    async arrange(scene) {
      await crowded(scene);
      return () => scene.store.coordinationStatistics();
    },
  },
  checkHealth: {
    alone: true,
    async arrange(scene) {
      await scene.agent();
      return () => scene.store.checkHealth();
    },
  },
  sweep: {
    alone: true,
    report: true,
    async arrange(scene) {
      const { receiver, sender } = await mail(scene, 2);
      await scene.receive(receiver, { leaseMilliseconds: SECOND });
      await scene.send(sender, receiver, { ttlSeconds: 1 });
      const { supervisor, worker } = await crowded(scene);
      await scene.submit(supervisor, { assignTo: worker, timeoutSeconds: 1 });
      // Leases, times to live and deadlines end; agents stay.
      scene.advance(HOUR);
      return () => scene.store.sweep();
    },
  },
  sweepDueTasks: {
    alone: true,
    report: true,
    async arrange(scene) {
      const { supervisor, worker } = await crowded(scene);
      await scene.submit(supervisor, { assignTo: worker, timeoutSeconds: 1 });
      scene.advance(HOUR);
      return () => scene.store.sweepDueTasks();
    },
  },
  nextTaskDue: {
    alone: true,
    async arrange(scene) {
      const { supervisor } = await crowded(scene);
      await scene.submit(supervisor, { expiresAt: new Date(scene.store.now() + HOUR).toISOString() });
      return () => scene.store.nextTaskDue(0);
    },
  },
  maintain: {
    alone: true,
    report: true,
    async arrange(scene) {
      const { receiver } = await mail(scene, 2);
      await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
      await deadMail(scene);
      const { held } = await crowded(scene);
      await scene.complete(held);
      scene.advance(60 * DAY);
      return () => scene.store.maintain();
    },
  },
};

const channels: Pick<
  Record<Verb, VerbCase>,
  | "createChannel"
  | "getChannel"
  | "listChannels"
  | "deleteChannel"
  | "listChannelMembers"
  | "addChannelMember"
  | "removeChannelMember"
  | "putChannelGrant"
  | "findChannelAccess"
  | "shareChannel"
  | "broadcastMessage"
> = {
  createChannel: {
    async arrange(scene) {
      const [creator, member] = [await scene.supervisor(), await scene.agent()];
      const name = scene.fresh("channel");
      const grants = [{ role: "worker" as const, post: true }];
      const input = { name, kind: "work_queue" as const, description: "é ✓", members: [member], grants };
      return () => scene.createChannel(input, creator);
    },
  },
  getChannel: {
    async arrange(scene) {
      const { name } = await channelOfTwo(scene);
      return () => scene.store.getChannel(name);
    },
  },
  listChannels: {
    alone: true,
    async arrange(scene) {
      const { a: agentId } = await channelOfTwo(scene);
      const reader = { agentId, role: "worker" } as const;
      return () => scene.store.listChannels({ ...page, kind: "broadcast", reader });
    },
  },
  deleteChannel: {
    async arrange(scene) {
      const { name } = await channelOfTwo(scene);
      return () => scene.store.deleteChannel(name);
    },
  },
  listChannelMembers: {
    async arrange(scene) {
      const { name } = await channelOfTwo(scene);
      return () => scene.store.listChannelMembers(name, page);
    },
  },
  addChannelMember: {
    async arrange(scene) {
      const { name } = await channelOfTwo(scene);
      const agentId = await scene.agent();
      return () => scene.store.addChannelMember(name, agentId);
    },
  },
  removeChannelMember: {
    async arrange(scene) {
      const { name, a } = await channelOfTwo(scene);
      return () => scene.store.removeChannelMember(name, a);
    },
  },
  putChannelGrant: {
    async arrange(scene) {
      const { name, a: agentId } = await channelOfTwo(scene);
      return () => scene.store.putChannelGrant(name, { agentId, post: true, read: false, manage: true });
    },
  },
  findChannelAccess: {
    async arrange(scene) {
      const { name, a: agentId } = await channelOfTwo(scene);
      return () => scene.store.findChannelAccess(name, { agentId, role: "worker" });
    },
  },
  shareChannel: {
    async arrange(scene) {
      const { a, b } = await channelOfTwo(scene);
      return () => scene.store.shareChannel(a, b);
    },
  },
  broadcastMessage: {
    async arrange(scene) {
      const { name, a } = await channelOfTwo(scene);
      const post = scene.message(a, `#${name}`, { messageId: scene.fresh("m"), orderingKey: "k", payload: 'é ✓ "' });
      return () => scene.store.broadcastMessage(post);
    },
    repeated: duplicates,
  },
};

const schedule = async (scene: Scene) => {
  const supervisor = await scene.supervisor();
  const scheduleId = scene.fresh("s");
  const put = {
    scheduleId,
    supervisor,
    cron: "0 3 * * *",
    timezone: "UTC",
    overlap: "allow",
    enabled: true,
    creates: "task",
    contents: { value: { task: { taskType: "é ✓" } } },
    dueAt: scene.store.now() - 1,
  } as const;
  const move = { scheduleId, version: 1, dueAt: undefined, enabled: true, refusals: 0, log: { recent: [] } };
  return { put, move, supervisor };
};
const putFirst = async (scene: Scene) => {
  const made = await schedule(scene);
  await scene.store.putSchedule(made.put);
  return made;
};

const schedules: Pick<
  Record<Verb, VerbCase>,
  | "putSchedule"
  | "getSchedule"
  | "listSchedules"
  | "deleteSchedule"
  | "findDueSchedules"
  | "moveSchedule"
  | "fireSchedule"
> = {
  putSchedule: {
    async arrange(scene) {
      const { put } = await schedule(scene);
      return () => scene.store.putSchedule(put);
    },
  },
  getSchedule: {
    async arrange(scene) {
      const { put } = await putFirst(scene);
      return () => scene.store.getSchedule(put.scheduleId);
    },
  },
  listSchedules: {
    async arrange(scene) {
      const { supervisor } = await putFirst(scene);
      return () => scene.store.listSchedules({ ...page, supervisor });
    },
  },
  deleteSchedule: {
    async arrange(scene) {
      const { put } = await putFirst(scene);
      return () => scene.store.deleteSchedule(put.scheduleId);
    },
  },
  findDueSchedules: {
    async arrange(scene) {
      await putFirst(scene);
      return () => scene.store.findDueSchedules(0);
    },
  },
  moveSchedule: {
    async arrange(scene) {
      const { move } = await putFirst(scene);
      return () => scene.store.moveSchedule(move);
    },
  },
  fireSchedule: {
    async arrange(scene) {
      const { move, supervisor } = await putFirst(scene);
      await scene.worker();
      const task = scene.task(supervisor);
      return () => scene.store.fireSchedule(move, { task });
    },
    // Its own repeat, after a lost answer, finds the schedule moved on.
    repeated: () => false,
  },
};

const usage: Pick<Record<Verb, VerbCase>, "reportUsage" | "readUsage"> = {
  reportUsage: {
    async arrange(scene) {
      const { held } = await assigned(scene);
      const { taskId, agentId, attempt } = held;
      const report = [{ provider: "openai", model: "gpt-5", inputTokens: 10, outputTokens: 5 }];
      return () => scene.store.reportUsage(taskId, { agentId, attempt, usage: report });
    },
  },
  readUsage: {
    async arrange(scene) {
      const { held, supervisor } = await assigned(scene);
      const { taskId, agentId, attempt } = held;
      const report = [{ model: "gpt-5", inputTokens: 10, outputTokens: 5 }];
      await scene.store.completeTask(taskId, { agentId, attempt, usage: report });
      const to = scene.store.now() + 3_600_000;
      return () => scene.store.readUsage({ ...page, from: 0, to, by: ["hour", "model"], supervisor });
    },
  },
};

/** Every verb, by its name: one that is added to the store and not here does not compile. */
export const VERB_CASES: Readonly<Record<Verb | keyof typeof more, VerbCase>> = {
  ...agents,
  ...credentials,
  ...more,
  ...messages,
  ...deadLetters,
  ...channels,
  ...taskReads,
  ...tasks,
  ...schedules,
  ...usage,
  ...audit,
  ...encryption,
  ...upkeep,
};
