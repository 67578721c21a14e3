import { type ErrorCode, isAgentCommunicationError } from "../lib/model/errors.ts";
import { onAbort } from "../lib/model/on-abort.ts";

interface Waiter<Outcome> {
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** What waiting for things of one kind needs. */
export interface WaitsOptions<Outcome> {
  /** Asks for one; undefined while it goes on. */
  look(id: string, signal: AbortSignal): Promise<Outcome | undefined>;
  /** The error of `look` that says that it will never be there. */
  gone: ErrorCode;
  /** Ends every wait. */
  stopped: AbortSignal;
  onError(error: unknown): void;
}

/**
 * Those who wait for tasks or workflows to end. A message tells of the end; should another process have taken that, asking finds it.
 * One is asked for at a time: who waits for a thousand does not ask a thousand times at once.
 */
export class Waits<Outcome> {
  readonly #options: WaitsOptions<Outcome>;
  readonly #waiters = new Map<string, Set<Waiter<Outcome>>>();
  readonly #toCheck = new Set<string>();
  /** False as soon as the last was asked for: whoever is told by that, and waits for the next, has it asked for at once. */
  #asking = false;
  #checking: Promise<void> = Promise.resolve();

  constructor(options: WaitsOptions<Outcome>) {
    this.#options = options;
  }

  /** @throws the reason of `signal`, or of the stop, when that comes first */
  wait(id: string, signal?: AbortSignal): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const ended = this.#options.stopped.aborted ? this.#options.stopped : signal;
      if (ended?.aborted) return reject(ended.reason);
      const leave = () => {
        stopListening?.();
        const waiters = this.#waiters.get(id);
        waiters?.delete(waiter);
        if (waiters?.size === 0) this.#waiters.delete(id);
      };
      const waiter: Waiter<Outcome> = {
        resolve: (outcome) => {
          leave();
          resolve(outcome);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const stopListening = signal && onAbort(signal, () => waiter.reject(signal.reason));
      const waiters = this.#waiters.get(id) ?? new Set<Waiter<Outcome>>();
      this.#waiters.set(id, waiters.add(waiter));
      // It may have ended before anybody waited: the message is then gone.
      this.#check([id]);
    });
  }

  resolve(id: string, outcome: Outcome): void {
    for (const waiter of [...(this.#waiters.get(id) ?? [])]) waiter.resolve(outcome);
  }

  rejectAll(reason: unknown): void {
    for (const id of [...this.#waiters.keys()]) this.#reject(id, reason);
  }

  /** It is said to have ended: those who wait for it are told what is found. */
  ended(id: string): void {
    if (this.#waiters.has(id)) this.#check([id]);
  }

  /** Asks for everything that is waited for. */
  checkAll(): void {
    this.#check(this.#waiters.keys());
  }

  /** Resolves when nothing is being asked for. */
  idle(): Promise<void> {
    return this.#checking;
  }

  #reject(id: string, reason: unknown): void {
    for (const waiter of [...(this.#waiters.get(id) ?? [])]) waiter.reject(reason);
  }

  #check(ids: Iterable<string>): void {
    for (const id of ids) this.#toCheck.add(id);
    if (this.#asking) return;
    this.#asking = true;
    this.#checking = this.#askInTurn();
  }

  async #askInTurn(): Promise<void> {
    try {
      // A set gives what is added while it is walked, too.
      for (const id of this.#toCheck) {
        this.#toCheck.delete(id);
        if (this.#options.stopped.aborted) return;
        if (this.#waiters.has(id)) await this.#ask(id);
      }
    } finally {
      this.#asking = false;
    }
  }

  async #ask(id: string): Promise<void> {
    const { stopped, look, gone, onError } = this.#options;
    try {
      const outcome = await look(id, stopped);
      if (outcome !== undefined) this.resolve(id, outcome);
    } catch (error) {
      if (stopped.aborted) return;
      if (isAgentCommunicationError(error, gone)) this.#reject(id, error);
      else onError(error);
    }
  }
}
