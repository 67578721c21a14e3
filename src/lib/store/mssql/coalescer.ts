import type { Batch } from "./batch.ts";

/** Gathers concurrent calls of one verb into batches: what arrives while batches are in flight goes together in the next. */

/** Batches of one verb in flight at once: the second keeps calls going while the first waits for a lock. */
const LANES = 2;
/** Characters of encoded calls in one batch, about; a larger call goes alone. */
const BATCH_CHARACTERS = 4 * 1_024 * 1_024;

/** A call as it travels: its item, encoded once however often the batch is sent. */
export interface Encoded<Item> {
  item: Item;
  /** A JSON object. */
  json: string;
}

interface Call {
  encoded: Encoded<never>;
  conflictKey: string | undefined;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

type Send = (calls: readonly Encoded<never>[]) => Promise<PromiseSettledResult<unknown>[]>;

/** The queue of one verb. */
export class Coalescer {
  readonly #batch: Pick<Batch<never, unknown>, "maxItems" | "conflictKey">;
  readonly #send: Send;
  readonly #busyKeys = new Set<string>();
  #queue: Call[] = [];
  #inFlight = 0;
  #scheduled = false;
  #drained: (() => void)[] = [];

  constructor(batch: Pick<Batch<never, unknown>, "maxItems" | "conflictKey">, send: Send) {
    this.#batch = batch;
    this.#send = send;
  }

  /** The answer of the call, from whatever batch it travels in. */
  add<Item, Answer>({ item, json }: Encoded<Item>): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      // Each call resolves only the promise made here, with the answer that its own batch decoded for it.
      const encoded = { item: item as never, json };
      const conflictKey = this.#batch.conflictKey?.(encoded.item);
      this.#queue.push({ encoded, conflictKey, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Resolves once nothing is queued or in flight. */
  drained(): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Calls made in the same turn of the event loop go together; a lone call waits for nothing else. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= LANES) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#inFlight < LANES) {
      const calls = this.#take();
      if (calls.length === 0) break;
      void this.#sendAll(calls);
    }
    if (this.#inFlight > 0 || this.#queue.length > 0) return;
    for (const done of this.#drained.splice(0)) done();
  }

  /** The next batch, in order of arrival; a call whose key is in it, or in flight, waits for a later one. */
  #take(): Call[] {
    const taken: Call[] = [];
    const left: Call[] = [];
    const keys = new Set<string>();
    let characters = 0;
    for (const call of this.#queue) {
      const key = call.conflictKey;
      const fits =
        taken.length < this.#batch.maxItems &&
        (taken.length === 0 || characters + call.encoded.json.length <= BATCH_CHARACTERS);
      if (!fits || (key !== undefined && (keys.has(key) || this.#busyKeys.has(key)))) {
        // Those behind a waiting call of the same key wait, too, or they would overtake it.
        if (key !== undefined) keys.add(key);
        left.push(call);
        continue;
      }
      if (key !== undefined) keys.add(key);
      characters += call.encoded.json.length;
      taken.push(call);
    }
    this.#queue = left;
    return taken;
  }

  async #sendAll(calls: readonly Call[]): Promise<void> {
    this.#inFlight += 1;
    const keys = calls.flatMap((call) => call.conflictKey ?? []);
    for (const key of keys) this.#busyKeys.add(key);
    try {
      const settled = await this.#send(calls.map((call) => call.encoded));
      for (const [position, call] of calls.entries()) {
        const outcome = settled[position];
        if (outcome?.status === "fulfilled") call.resolve(outcome.value);
        else call.reject(outcome === undefined ? new Error("the batch has no outcome for a call") : outcome.reason);
      }
    } catch (error) {
      for (const call of calls) call.reject(error);
    } finally {
      for (const key of keys) this.#busyKeys.delete(key);
      this.#inFlight -= 1;
      this.#flush();
    }
  }
}
