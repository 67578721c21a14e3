import { newMessage, newTask, PAYLOAD } from "../../scripts/query-plans/inputs.ts";
import type { Store } from "../../src/lib/store/store.ts";
import { type HeldMessage, type HeldTask, nth, type Verbs } from "./verbs.ts";

/** The verbs of the store. */
export class ByStore implements Verbs {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async send(receiver: string): Promise<void> {
    await this.#store.sendMessages([newMessage({ sender: "lead", receiver, type: "query", payload: PAYLOAD })]);
  }

  async receive(agentId: string): Promise<HeldMessage> {
    const claim = { agentId, maxMessages: 1, leaseMilliseconds: 3_600_000, maxBytes: 1_000_000 };
    const { messages } = await this.#store.claimMessages(claim);
    const { messageId, attempt } = nth(messages, 0);
    return { agentId, messageId, attempt };
  }

  async renew(message: HeldMessage): Promise<void> {
    await this.#store.renewLease({ ...message, leaseMilliseconds: 3_600_000 });
  }

  async completeMessage({ agentId, messageId, attempt }: HeldMessage): Promise<void> {
    const [result] = await this.#store.settleMessages(agentId, [{ messageId, attempt, outcome: "complete" }]);
    if (result?.status !== "completed") throw new Error(`a settlement was answered ${result?.status}`);
  }

  async heartbeat(agentId: string): Promise<void> {
    await this.#store.heartbeat({ agentId });
  }

  async assign(capabilities: readonly string[]): Promise<HeldTask> {
    const task = newTask({ supervisor: "lead", taskType: "common", requiredCapabilities: [...capabilities] });
    const { taskId, assignedTo, attempt } = await this.#store.assignTask(task);
    if (assignedTo === undefined) throw new Error("nobody could take a task");
    return { taskId, agentId: assignedTo, attempt };
  }

  async start({ taskId, ...caller }: HeldTask): Promise<void> {
    await this.#store.startTask(taskId, caller);
  }

  async completeTask({ taskId, ...caller }: HeldTask): Promise<void> {
    await this.#store.completeTask(taskId, { ...caller, result: { done: true } });
  }

  async failTask({ taskId, ...caller }: HeldTask): Promise<void> {
    await this.#store.failTask(taskId, { ...caller, error: "no", retryable: false });
  }
}
