/** The verbs that are measured: by the store and by hand alike, one call each. */

export interface HeldMessage {
  agentId: string;
  messageId: string;
  attempt: number;
}

export interface HeldTask {
  taskId: string;
  agentId: string;
  attempt: number;
}

export interface Verbs {
  /** A message of 200 bytes from `lead`. */
  send(receiver: string): Promise<void>;
  /** The first message of a mailbox. */
  receive(agentId: string): Promise<HeldMessage>;
  renew(message: HeldMessage): Promise<void>;
  completeMessage(message: HeldMessage): Promise<void>;
  heartbeat(agentId: string): Promise<void>;
  /** A task that somebody can take at once. */
  assign(capabilities: readonly string[]): Promise<HeldTask>;
  start(task: HeldTask): Promise<void>;
  /** Of a started task. */
  completeTask(task: HeldTask): Promise<void>;
  /** Of a started task, for good. */
  failTask(task: HeldTask): Promise<void>;
}

/** The nth of what an earlier step left. */
export function nth<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error("an earlier step left too little");
  return item;
}
