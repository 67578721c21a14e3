import { z } from "zod";
import type { Clock } from "../../model/clock.ts";
import { AgentCommunicationError, isAgentCommunicationError } from "../../model/errors.ts";
import { parse } from "../../model/parse.ts";
import { type RotateKeysInput, type Rotation, rotateKeysSchema } from "../../model/rotation.ts";
import { decryptText, encryptText, type Place } from "../../security/envelope.ts";
import type { Key, KeyRing } from "../../security/key-ring.ts";
import type {
  EncryptedKind,
  OutdatedPosition,
  OutdatedValue,
  Replacement,
  Store,
  TaskValueName,
} from "../../store/store.ts";

/**
 * Encrypts again, under the current version of the key, whatever is under another one: value by value while everything goes on,
 * each replaced only if it still is what it was. So it may be broken off, gone on with, and run in several processes at once.
 */

/** Of one call: then it answers what is left, and its caller goes on. */
const CALL_MILLISECONDS = 5_000;
/** What is left is counted up to this. */
const LEFT_MAX = 10_000;

/** The archive last: what moves there meanwhile is met there. */
const KINDS = [
  "message",
  "parameters",
  "result",
  "task_value",
  "schedule",
  "archived_parameters",
  "archived_result",
  "archived_task_value",
] as const satisfies readonly EncryptedKind[];

/** Where a walk over all values goes on. */
interface Stop {
  kind: EncryptedKind;
  after: OutdatedPosition | undefined;
}

/** What a walk did; where it stopped, unless it came to the end. */
interface Walked {
  reencrypted: number;
  undecryptable: number;
  stop: Stop | undefined;
}

export class KeyRotation {
  readonly #store: Store;
  readonly #keys: KeyRing;
  readonly #clock: Clock;

  constructor(options: { store: Store; keys: KeyRing; clock: Clock }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#clock = options.clock;
  }

  /**
   * Encrypts again for a few seconds. Call it with `nextCursor` until that is null.
   *
   * @throws KEY_UNAVAILABLE, INVALID_REQUEST
   */
  async rotate(input: RotateKeysInput = {}): Promise<Rotation> {
    const { newVersion = false, cursor } = parse(rotateKeysSchema, input);
    const from = cursor === undefined ? undefined : readCursor(cursor);
    const key = newVersion ? await this.#addVersion() : await this.#keys.current({ fresh: cursor === undefined });
    const end = this.#clock.monotonic() + CALL_MILLISECONDS;
    const { stop, ...counts } = await this.#walk(key, from, () => this.#clock.monotonic() >= end);
    const left = await this.#store.countOutdated(key.version, LEFT_MAX);
    return { keyVersion: key.version, ...counts, left, nextCursor: stop === undefined ? null : writeCursor(stop) };
  }

  /**
   * The same as a part of the daily upkeep. It needs no key, and makes none, where nothing is encrypted; and what it cannot do
   * for want of a key, the next run does.
   *
   * @param late whether the time for it is over
   */
  async maintain(late: () => boolean): Promise<{ reencrypted: number; finished: boolean }> {
    if ((await this.#store.countOutdated("", 1)) === 0) return { reencrypted: 0, finished: true };
    let reencrypted = 0;
    try {
      const key = await this.#keys.current({ fresh: true });
      const walked = await this.#walk(key, undefined, late, (count) => {
        reencrypted += count;
      });
      return { reencrypted, finished: walked.stop === undefined };
    } catch (error) {
      if (!isAgentCommunicationError(error, "KEY_UNAVAILABLE")) throw error;
      return { reencrypted, finished: false };
    }
  }

  async #addVersion(): Promise<Key> {
    if (this.#keys.add === undefined) {
      const message = "only works with a key file; in a key vault, the operator creates the version";
      throw new AgentCommunicationError("INVALID_REQUEST", `newVersion ${message}.`, {
        errors: [{ path: "newVersion", message }],
      });
    }
    return this.#keys.add();
  }

  async #walk(
    key: Key,
    from: Stop | undefined,
    late: () => boolean,
    onReplaced: (count: number) => void = () => {},
  ): Promise<Walked> {
    const walked: Walked = { reencrypted: 0, undecryptable: 0, stop: undefined };
    for (const kind of KINDS.slice(from === undefined ? 0 : KINDS.indexOf(from.kind))) {
      let after = from?.kind === kind ? from.after : undefined;
      for (;;) {
        // At least one step in each call: one that is late from the start would never get anywhere.
        const values = await this.#store.findOutdated(kind, key.version, after);
        const last = values.at(-1);
        if (last === undefined) break;
        const replacements = await this.#reencryptAll(key, kind, values);
        const replaced =
          replacements.length === 0 ? 0 : await this.#store.replaceOutdated(kind, key.version, replacements);
        onReplaced(replaced);
        walked.reencrypted += replaced;
        walked.undecryptable += values.length - replacements.length;
        after = { keyVersion: last.keyVersion, place: last.place };
        if (late()) return { ...walked, stop: { kind, after } };
      }
    }
    return walked;
  }

  /** Those that can be decrypted. */
  async #reencryptAll(key: Key, kind: EncryptedKind, values: readonly OutdatedValue[]): Promise<Replacement[]> {
    const replacements: Replacement[] = [];
    for (const value of values) {
      const old = await this.#keys.find(value.keyVersion);
      const text = old && reencrypt(old, key, kind, value);
      if (text !== undefined) replacements.push({ id: value.id, was: value, text });
    }
    return replacements;
  }
}

/** The JSON text that takes the place of a value's; undefined when it cannot be decrypted. */
function reencrypt(old: Key, key: Key, kind: EncryptedKind, value: OutdatedValue): string | undefined {
  const again = (place: Place, envelope: unknown) => {
    const text = typeof envelope === "string" ? decryptText(old, place, envelope) : undefined;
    return text === undefined ? undefined : encryptText(key, place, text);
  };
  const stored: unknown = JSON.parse(value.text);
  if (kind === "message" && value.ofSystem) {
    const { data } = systemPayloadSchema.safeParse(stored);
    const field = data?.question === undefined ? "result" : "question";
    const envelope = again({ kind: "task", id: data?.taskId ?? "", field }, data?.[field]);
    return envelope === undefined ? undefined : JSON.stringify({ ...data, [field]: envelope });
  }
  // Undefined stays undefined: JSON has no text for it.
  return JSON.stringify(again(placeOf(kind, value), stored));
}

/** A task_result or task_question of the switchboard, which has the envelope inside. */
const systemPayloadSchema = z.looseObject({
  taskId: z.string(),
  result: z.string().optional(),
  question: z.string().optional(),
});

/** As which a value of a task is encrypted. */
const FIELDS: Readonly<Record<TaskValueName, Place["field"]>> = {
  checkpoint: "checkpoint",
  question: "question",
  default_answer: "defaultAnswer",
  answer: "answer",
  gate_default: "result",
};

function placeOf(kind: EncryptedKind, { belongsTo: id, name = "checkpoint" }: OutdatedValue): Place {
  switch (kind) {
    case "message":
      return { kind: "message", id, field: "payload" };
    case "schedule":
      return { kind: "schedule", id, field: "contents" };
    case "parameters":
    case "archived_parameters":
      return { kind: "task", id, field: "parameters" };
    case "result":
    case "archived_result":
      return { kind: "task", id, field: "result" };
    case "task_value":
    case "archived_task_value":
      return { kind: "task", id, field: FIELDS[name] };
  }
}

const stopSchema = z.tuple([z.enum(KINDS), z.string().max(64), z.union([z.int(), z.string().max(128)])]);

function writeCursor({ kind, after }: Stop): string {
  return Buffer.from(JSON.stringify([kind, after?.keyVersion ?? "", after?.place ?? ""])).toString("base64url");
}

/** @throws INVALID_REQUEST for anything that `writeCursor` did not write */
function readCursor(cursor: string): Stop {
  try {
    const [kind, keyVersion, place] = stopSchema.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
    const numbered = kind !== "archived_parameters" && kind !== "archived_result";
    if (numbered === (typeof place === "number")) return { kind, after: { keyVersion, place } };
  } catch {
    // It is told below what is wrong with it.
  }
  throw new AgentCommunicationError("INVALID_REQUEST", "The cursor does not belong to a key rotation.", {
    errors: [{ path: "cursor", message: "does not belong to a key rotation" }],
  });
}
