import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../../src/lib/config/config.ts";
import type { AgentRole } from "../../../src/lib/model/agent.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import type { StoreUnderTest } from "../../contract/store-under-test.ts";

/** Not in the folder of whoever runs the tests. */
const KEY_FILE = join(tmpdir(), "agent-communication-walk-keys.jsonl");

/** What the walk over routes and roles acts on: fresh agents and objects for each case, with contents that can be recognised. */

/** Stands in every content: payloads, parameters, descriptions, notes, reasons, errors, results, metadata. */
export const MARK = "marked-content";

/** Whose the object of a request is: `exists` is false for an agent that nobody has registered. */
export interface Owner {
  agentId: string;
  role: AgentRole;
  exists: boolean;
}

/** A request of a route, before it is written as bytes. */
export interface Ask {
  params?: Record<string, string>;
  query?: Record<string, string>;
  body?: unknown;
  /** By their lower-case names. */
  headers?: Record<string, string> | undefined;
}

export class World {
  readonly services: Services;

  constructor(under: StoreUnderTest) {
    const config = readConfig({ AGENT_KEY_FILE: KEY_FILE });
    this.services = createServices({ config, clock: new OffsetClock(), store: under.store });
  }

  id(kind: string): string {
    return `${kind}-${randomUUID()}`;
  }

  async agent(role: AgentRole): Promise<Owner> {
    const agentId = this.id(role);
    await this.services.registry.register({ agentId, role, maxConcurrentTasks: 10, metadata: { MARK } });
    return { agentId, role, exists: true };
  }

  /** Nobody. */
  ghost(role: AgentRole): Owner {
    return { agentId: this.id("ghost"), role, exists: false };
  }

  /** The id of a token of the owner. */
  async tokenOf(owner: Owner): Promise<string> {
    if (!owner.exists) return newId(Date.now());
    const { credential } = await this.services.credentials.issue({ kind: "token", agentId: owner.agentId });
    return credential.credentialId;
  }

  /** A message to the owner from somebody else. */
  async messageTo(owner: Owner): Promise<string> {
    if (!owner.exists) return this.id("message");
    const { agentId: sender } = await this.agent("supervisor");
    const message = { sender, receiver: owner.agentId, type: "notification", payload: { MARK } };
    return (await this.services.messages.send(message)).messageId;
  }

  /** A queued message of the owner to another agent. */
  async messageBy(owner: Owner): Promise<string> {
    if (!owner.exists) return this.id("message");
    const { agentId: receiver } = await this.agent("worker");
    const message = { sender: owner.agentId, receiver, type: "notification", payload: { MARK } };
    return (await this.services.messages.send(message)).messageId;
  }

  /** A message that the owner has leased, in its first attempt. */
  async leasedBy(owner: Owner): Promise<string> {
    const messageId = await this.messageTo(owner);
    if (owner.exists) await this.services.messages.receive(owner.agentId, { maxMessages: 50 });
    return messageId;
  }

  async deadLetterOf(owner: Owner): Promise<string> {
    const messageId = await this.leasedBy(owner);
    if (owner.exists) {
      await this.services.messages.deadLetter(messageId, { agentId: owner.agentId, attempt: 1, reason: MARK });
    }
    return messageId;
  }

  /** A task that the owner assigned, or that is assigned to the owner if it is a worker, with a history. */
  async taskOf(owner: Owner, options: { started?: boolean } = {}): Promise<string> {
    if (!owner.exists) return this.id("task");
    const assigns = owner.role === "supervisor" || owner.role === "admin";
    const supervisor = assigns ? owner : await this.agent("supervisor");
    const worker = owner.role === "worker" ? owner : await this.agent("worker");
    const { taskId } = await this.services.coordinator.assign({
      supervisor: supervisor.agentId,
      assignTo: worker.agentId,
      taskType: "walk",
      description: MARK,
      parameters: { MARK },
    });
    const call = { agentId: worker.agentId, attempt: 1 };
    if (options.started !== false) await this.services.coordinator.progress(taskId, { ...call, note: MARK });
    return taskId;
  }

  /** An open question of a task of other agents that the owner may answer. */
  async questionTo(owner: Owner): Promise<{ taskId: string; questionId: string }> {
    if (!owner.exists) return { taskId: this.id("task"), questionId: "1" };
    const worker = await this.agent("worker");
    const taskId = await this.taskOf(worker);
    const { questionId } = await this.services.questions.suspend(taskId, {
      agentId: worker.agentId,
      attempt: 1,
      until: { question: { text: MARK, askedOf: [owner.agentId] } },
    });
    if (questionId === undefined) throw new Error("the task asked nothing");
    return { taskId, questionId };
  }

  /** A workflow of the owner: a running task, one that somebody cancelled with a reason, and one that waits. */
  async workflowOf(owner: Owner): Promise<string> {
    if (!owner.exists) return this.id("workflow");
    const assigns = owner.role === "supervisor" || owner.role === "admin";
    const supervisor = assigns ? owner : await this.agent("supervisor");
    const work = { taskType: "walk", description: MARK, parameters: { MARK } };
    const { workflowId, taskIds } = await this.services.workflows.create({
      supervisor: supervisor.agentId,
      onFailure: "continue",
      tasks: [
        { ...work, ref: "one", assignTo: (await this.agent("worker")).agentId },
        { ...work, ref: "two" },
        { ...work, ref: "three", dependsOn: ["one"] },
      ],
    });
    await this.services.coordinator.cancel(taskIds.two ?? "", { reason: MARK });
    return workflowId;
  }

  /** A schedule of the owner. */
  async scheduleOf(owner: Owner): Promise<string> {
    const scheduleId = this.id("schedule");
    if (!owner.exists) return scheduleId;
    const assigns = owner.role === "supervisor" || owner.role === "admin";
    const { agentId } = assigns ? owner : await this.agent("supervisor");
    const task = { taskType: "walk", description: MARK, parameters: { MARK } };
    await this.services.schedules.put(scheduleId, { supervisor: agentId, cron: "0 3 * * *", task });
    return scheduleId;
  }

  /** A task that has ended, its contents only in its result or error. */
  async endedTaskOf(worker: Owner, end: "complete" | "fail"): Promise<string> {
    const supervisor = await this.agent("supervisor");
    const { taskId } = await this.services.coordinator.assign({
      supervisor: supervisor.agentId,
      assignTo: worker.agentId,
      taskType: "walk",
    });
    const call = { agentId: worker.agentId, attempt: 1 };
    if (end === "complete") await this.services.coordinator.complete(taskId, { ...call, result: { MARK } });
    else await this.services.coordinator.fail(taskId, { ...call, error: MARK, retryable: false });
    return taskId;
  }

  /** A work queue on which the owner has every right, with a message in it. */
  async channelOf(owner: Owner): Promise<string> {
    const name = this.id("channel");
    if (!owner.exists) return name;
    const grants = [{ agentId: owner.agentId, post: true, read: true, manage: true }];
    await this.services.channels.create({ name, kind: "work_queue", description: MARK, grants });
    const { agentId: sender } = await this.agent("supervisor");
    await this.services.messages.send({ sender, receiver: `#${name}`, type: "notification", payload: { MARK } });
    return name;
  }

  async messageType(): Promise<string> {
    const type = `walk.${randomUUID().replaceAll("-", "")}`;
    await this.services.messageTypes.put(type, { schema: true });
    return type;
  }
}
