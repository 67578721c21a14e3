import { BoundedMap } from "../../base/bounded-map.ts";
import { IdempotencyMismatch } from "../../base/idempotency.ts";
import type { JsonValue } from "../../model/json.ts";
import type { AssignTask, AssignTaskReply, CompleteTask, DependencyResult, Task } from "../../model/task.ts";
import { type ContentEncryption, type Decrypted, type Key, withoutKeys } from "../../security/content-encryption.ts";
import type { NewTask, Store, StoredDependency, StoredTask, TaskCompletion } from "../../store/store.ts";
import { placeOf, QuestionContents } from "./question-contents.ts";

/** What is in tasks: encrypted on the way into the store where it is sensitive, and decrypted on the way out. */

/** Tasks of which it is known whether they are sensitive; beyond that the ones longest known are forgotten. */
const KNOWN_MAX = 20_000;

/** A new task but for what encryption changes of it. */
export type PlainTask = Omit<NewTask, "requestHash" | "keyVersion" | "question"> & Pick<AssignTask, "question">;

export class TaskContents {
  readonly #store: Store;
  readonly #encryption: ContentEncryption;
  readonly #questions: QuestionContents;
  /** It never changes. */
  readonly #sensitive = new BoundedMap<string, boolean>(KNOWN_MAX);

  constructor(options: { store: Store; encryption?: ContentEncryption }) {
    this.#store = options.store;
    this.#encryption = options.encryption ?? withoutKeys;
    this.#questions = new QuestionContents(this.#encryption);
  }

  /**
   * Creates a task.
   *
   * @param asked the request as it was made: by it a repeat is recognised
   * @throws KEY_UNAVAILABLE, and what the store throws
   */
  async assign(task: PlainTask, asked: AssignTask): Promise<AssignTaskReply & { duplicate: boolean }> {
    const sensitive = this.#encryption.covers(asked.sensitive);
    const key = await this.#keyFor(asked);
    const reply = await this.#assignWith(this.#prepareAsked(task, asked, key), asked);
    // Of a duplicate, somebody else may have decided.
    if (!reply.duplicate) this.remember(reply.taskId, sensitive);
    return reply;
  }

  /** The task as the store takes it, encrypted where it is sensitive. @throws KEY_UNAVAILABLE */
  async prepareSealed(task: PlainTask, asked: AssignTask): Promise<NewTask> {
    return this.#prepareAsked(task, asked, await this.#keyFor(asked));
  }

  #prepareAsked(task: PlainTask, asked: AssignTask, key: Key | undefined): NewTask {
    return this.prepare(task, key, this.#encryption.hash(key, hashed(asked)));
  }

  async #keyFor({ sensitive }: AssignTask): Promise<Key | undefined> {
    return this.#encryption.covers(sensitive) ? this.#encryption.currentKey() : undefined;
  }

  /**
   * The task as the store takes it.
   *
   * @param requestHash of a task of a workflow that of the whole, which alone is repeated
   */
  prepare({ question: ask, ...task }: PlainTask, key: Key | undefined, requestHash: string): NewTask {
    const question = ask && this.#questions.ask(ask, { taskId: task.taskId, key, gate: true, path: "question" });
    if (key === undefined) return { ...task, question, requestHash };
    const { value, keyVersion } = this.#encryption.encrypt(key, placeOf(task.taskId, "parameters"), task.parameters);
    return { ...task, question, parameters: value, keyVersion, requestHash };
  }

  /** A repeat is recognised under another version of the key, too: its hash is made like the stored one. */
  async #assignWith(task: NewTask, asked: AssignTask): Promise<AssignTaskReply & { duplicate: boolean }> {
    try {
      return await this.#store.assignTask(task);
    } catch (error) {
      const storedHash = error instanceof IdempotencyMismatch ? error.storedHash : undefined;
      if (storedHash === undefined) throw error;
      if ((await this.#encryption.hashLike(storedHash, hashed(asked))) !== storedHash) throw error;
      return this.#store.assignTask({ ...task, requestHash: storedHash });
    }
  }

  /** The completion as the store takes it: the result of a sensitive task is encrypted. @throws KEY_UNAVAILABLE */
  async complete(taskId: string, completion: CompleteTask): Promise<TaskCompletion> {
    const { result } = completion;
    const key = result === undefined ? undefined : await this.keyOf(taskId);
    if (result === undefined || key === undefined) return completion;
    const { value, keyVersion } = this.#encryption.encrypt(key, placeOf(taskId, "result"), result);
    return { ...completion, result: value, keyVersion };
  }

  /** What values of the task are encrypted under; undefined for one that is not sensitive. @throws KEY_UNAVAILABLE */
  async keyOf(taskId: string): Promise<Key | undefined> {
    return (await this.#covers(taskId)) ? this.#encryption.currentKey() : undefined;
  }

  /** The store is asked once of a task, and not at all of those that this process has made itself. */
  async #covers(taskId: string): Promise<boolean> {
    if (this.#encryption.all) return true;
    const known = this.#sensitive.get(taskId);
    if (known !== undefined) return known;
    const sensitive = await this.#store.isSensitiveTask(taskId);
    // A task that is not there: the store says so when it is completed.
    if (sensitive === undefined) return false;
    this.remember(taskId, sensitive);
    return sensitive;
  }

  /** Notes of a task that has been made here whether it is sensitive. */
  remember(taskId: string, sensitive: boolean): void {
    this.#sensitive.set(taskId, sensitive);
  }

  /** The task as its readers see it. @throws KEY_UNAVAILABLE */
  async reveal(stored: StoredTask): Promise<Task> {
    const { keyVersion, resultKeyVersion, question, checkpoint, ...plain } = stored;
    const task: Task = plain;
    const encrypted = [keyVersion, resultKeyVersion, question?.content?.keyVersion, checkpoint?.keyVersion];
    if (encrypted.some((version) => version !== undefined)) task.sensitive = true;
    const parameters = await this.#decrypt(task, "parameters", keyVersion);
    const result = await this.#decrypt(task, "result", resultKeyVersion);
    if (parameters !== undefined) task.parameters = readValue(parameters) ?? null;
    if (result !== undefined) {
      const value = readValue(result);
      if (value === undefined) delete task.result;
      else task.result = value;
    }
    const unread = await this.#revealExtras(task, { question, checkpoint });
    if (unread || isUnread(parameters) || isUnread(result)) task.undecryptable = true;
    return task;
  }

  /** @returns whether something cannot be read */
  async #revealExtras(
    task: Task,
    { question, checkpoint }: Pick<StoredTask, "question" | "checkpoint">,
  ): Promise<boolean> {
    let unread = false;
    if (checkpoint !== undefined) {
      const opened = await this.#questions.open(task.taskId, "checkpoint", checkpoint);
      if (opened.value !== undefined) task.checkpoint = opened.value;
      unread = opened.unread;
    }
    if (question !== undefined) {
      const revealed = await this.#questions.reveal(task.taskId, question);
      task.question = revealed.question;
      unread ||= revealed.unread;
    }
    return unread;
  }

  /** The same for a page of a list. */
  async revealAll(stored: readonly StoredTask[]): Promise<Task[]> {
    return Promise.all(stored.map((task) => this.reveal(task)));
  }

  /** Results of dependencies as their reader sees them; what cannot be decrypted is by reference. @throws KEY_UNAVAILABLE */
  revealDependencies(stored: readonly StoredDependency[]): Promise<DependencyResult[]> {
    return Promise.all(
      stored.map(async ({ keyVersion, result, child: _, ...dependency }) => {
        if (keyVersion === undefined) return result === undefined ? dependency : { ...dependency, result };
        const place = placeOf(dependency.taskId, "result");
        const value = readValue(await this.#encryption.decrypt(place, result, keyVersion));
        return value === undefined ? { ...dependency, truncated: true } : { ...dependency, result: value };
      }),
    );
  }

  /** @returns undefined when it is plain */
  async #decrypt(
    task: Task,
    field: "parameters" | "result",
    keyVersion: string | undefined,
  ): Promise<Decrypted | undefined> {
    if (keyVersion === undefined) return undefined;
    return this.#encryption.decrypt(placeOf(task.taskId, field), task[field], keyVersion);
  }
}

function readValue(decrypted: Decrypted): JsonValue | undefined {
  return decrypted.state === "read" ? decrypted.value : undefined;
}

function isUnread(decrypted: Decrypted | undefined): boolean {
  return decrypted !== undefined && decrypted.state !== "read";
}

/** What a repeat has in common with the first: all that was said, except the id. */
function hashed({ taskId: _, sensitive, ...rest }: AssignTask): object {
  return sensitive === true ? { ...rest, sensitive } : rest;
}
