import type { ChildTask } from "../../model/child.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { newId } from "../../model/ids.ts";
import type { ContentEncryption, Key } from "../../security/content-encryption.ts";
import type { NewChild, Store } from "../../store/store.ts";
import { currentTraceparent } from "../../trace/current-trace.ts";
import { placeOf } from "./question-contents.ts";
import { planWorkflow } from "./workflow-plan.ts";

/** The children that a task makes when it suspends itself, as the store takes them. */
export class ChildTasks {
  readonly #store: Store;
  readonly #encryption: ContentEncryption;
  readonly #defaultTimeoutSeconds: number;
  readonly #maxRetries: number;

  constructor(options: {
    store: Store;
    encryption: ContentEncryption;
    defaultTimeoutSeconds: number;
    maxRetries: number;
  }) {
    this.#store = options.store;
    this.#encryption = options.encryption;
    this.#defaultTimeoutSeconds = options.defaultTimeoutSeconds;
    this.#maxRetries = options.maxRetries;
  }

  /**
   * Refs become ids, and what others depend on comes before them.
   *
   * @param parentKey what values of the parent are encrypted under: then those of its children are, too
   * @throws DEPENDENCY_INVALID (no sibling, cycles), KEY_UNAVAILABLE
   */
  async prepare(children: readonly ChildTask[], parentKey: Key | undefined): Promise<NewChild[]> {
    // No id begins so: a child without a ref is named by no other.
    const named = children.map((child, place) => ({
      ...child,
      ref: child.ref ?? `#${place}`,
      place,
      given: child.ref,
    }));
    const planned = planWorkflow({ tasks: named, onFailure: "continue" }, () => newId(this.#store.now()));
    const ids = new Set(planned.map(({ taskId }) => taskId));
    const prepared: NewChild[] = [];
    for (const { task, taskId, dependsOn } of planned) {
      const foreign = dependsOn.find((dependency) => !ids.has(dependency.taskId));
      if (foreign !== undefined) {
        const detail = `Child ${task.ref} depends on ${foreign.taskId}, which is no child of this call.`;
        throw new AgentCommunicationError("DEPENDENCY_INVALID", detail);
      }
      prepared.push(
        await this.#prepareOne({ ...task, taskId, hasNewId: task.taskId === undefined, dependsOn }, parentKey),
      );
    }
    return prepared;
  }

  async #prepareOne(
    child: Omit<ChildTask, "dependsOn"> &
      Pick<NewChild, "dependsOn" | "place" | "taskId" | "hasNewId"> & { given: string | undefined },
    parentKey: Key | undefined,
  ): Promise<NewChild> {
    const { ref: _, given, place, priority, sensitive, ...work } = child;
    const key = parentKey ?? (this.#encryption.covers(sensitive) ? await this.#encryption.currentKey() : undefined);
    const plain = {
      ...work,
      timeoutSeconds: work.timeoutSeconds ?? this.#defaultTimeoutSeconds,
      maxRetries: work.maxRetries ?? this.#maxRetries,
      traceparent: currentTraceparent(),
    };
    const { hasNewId: __, ...asked } = work;
    const requestHash = this.#encryption.hash(key, { ...asked, ref: given, place });
    const made = { ...plain, requestHash, ref: given, place, priority };
    if (key === undefined) return made;
    const { value, keyVersion } = this.#encryption.encrypt(key, placeOf(work.taskId, "parameters"), work.parameters);
    return { ...made, parameters: value, keyVersion };
  }
}
