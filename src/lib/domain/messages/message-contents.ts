import { LONG_REQUEST_BYTES, nextRound } from "../../base/event-loop.ts";
import { IdempotencyMismatch } from "../../base/idempotency.ts";
import { SYSTEM_SENDER } from "../../model/agent.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { newId } from "../../model/ids.ts";
import type { JsonValue } from "../../model/json.ts";
import type { LeasedMessage, Message, SendMessage, SendMessageReply } from "../../model/message.ts";
import {
  type ContentEncryption,
  type Decrypted,
  type Key,
  type Place,
  withoutKeys,
} from "../../security/content-encryption.ts";
import type { NewMessage, ResumeKeys, Store, StoredLeasedMessage, StoredMessage } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";
import { currentTraceparent } from "../../trace/current-trace.ts";

/** What is in messages: encrypted on the way into the store where it is sensitive, and decrypted on the way out. */

/** A message that is about to be sent. */
export interface Outgoing {
  message: SendMessage;
  idempotencyKey: string | undefined;
}

type Deliver = (messages: readonly NewMessage[]) => Promise<SendMessageReply[]>;

/** The reason of a message that cannot be decrypted any more. */
export const UNDECRYPTABLE_REASON = "UNDECRYPTABLE";
/** Until a message is tried again whose key could not be had: meanwhile those behind it are delivered. */
const GIVEN_BACK_MILLISECONDS = 30_000;

export class MessageContents {
  readonly #store: Store;
  readonly #encryption: ContentEncryption;

  constructor(options: { store: Store; encryption?: ContentEncryption }) {
    this.#store = options.store;
    this.#encryption = options.encryption ?? withoutKeys;
  }

  /** Accepts all or none. @throws KEY_UNAVAILABLE, and what the store throws */
  send(outgoing: readonly Outgoing[]): Promise<SendMessageReply[]> {
    return this.#deliver(outgoing, (messages) => this.#store.sendMessages(messages));
  }

  /** Posts to a broadcast channel. The copies are encrypted as the post is. @throws as send */
  async broadcast(outgoing: Outgoing): Promise<SendMessageReply> {
    const [reply] = await this.#deliver([outgoing], async ([post]) =>
      post === undefined ? [] : [await this.#store.broadcastMessage(post)],
    );
    if (reply === undefined) throw new Error("the store gave no result for the post");
    return reply;
  }

  async #deliver(outgoing: readonly Outgoing[], deliver: Deliver): Promise<SendMessageReply[]> {
    const sensitive = outgoing.some(({ message }) => this.#encryption.covers(message.sensitive));
    // One for all of them, so that the same body hashes the same.
    const key = sensitive ? await this.#encryption.currentKey() : undefined;
    const messages: NewMessage[] = [];
    const long = (currentCall().bytes ?? 0) >= LONG_REQUEST_BYTES;
    for (const one of outgoing) {
      // Hashing 250 KB takes a millisecond, and encrypting it as long again.
      if (long) await nextRound();
      messages.push(this.#prepare(one, key));
    }
    try {
      return await deliver(messages);
    } catch (error) {
      return this.#deliverAgain(outgoing, messages, deliver, error);
    }
  }

  #prepare({ message, idempotencyKey }: Outgoing, key: Key | undefined): NewMessage {
    const { messageId = newId(this.#store.now()), sensitive, ...rest } = message;
    const body = hashed(message);
    const traceparent = currentTraceparent();
    if (key === undefined || !this.#encryption.covers(sensitive)) {
      const requestHash = this.#encryption.hash(undefined, body);
      return { ...rest, messageId, requestHash, idempotencyKey, traceparent };
    }
    const { value, keyVersion } = this.#encryption.encrypt(key, placeOf(messageId), rest.payload);
    const requestHash = this.#encryption.hash(key, body);
    return { ...rest, messageId, payload: value, keyVersion, requestHash, idempotencyKey, traceparent };
  }

  /**
   * A repeat looks like another body when its hash is made otherwise than the stored one: under a newer version of the key, or
   * with a key where there was none. So the hash is made like the stored one, and the store decides again.
   */
  async #deliverAgain(
    outgoing: readonly Outgoing[],
    messages: readonly NewMessage[],
    deliver: Deliver,
    refusal: unknown,
  ): Promise<SendMessageReply[]> {
    const again = [...messages];
    let error = refusal;
    // Each round settles one message; more are not needed.
    for (let round = 0; round < messages.length; round++) {
      if (!(error instanceof IdempotencyMismatch) || error.storedHash === undefined) throw error;
      const { of, storedHash } = error;
      const place = again.findIndex((message) => message.messageId === of && message.requestHash !== storedHash);
      const [one, message] = [outgoing[place], again[place]];
      if (one === undefined || message === undefined) throw error;
      if ((await this.#encryption.hashLike(storedHash, hashed(one.message))) !== storedHash) throw error;
      for (const [index, other] of again.entries()) {
        if (isSameRequest(other, message)) again[index] = { ...other, requestHash: storedHash };
      }
      try {
        return await deliver(again);
      } catch (next) {
        error = next;
      }
    }
    throw error;
  }

  /** The message as its readers see it. @throws KEY_UNAVAILABLE */
  async reveal(stored: StoredMessage): Promise<Message> {
    if (!isEncrypted(stored)) return stored;
    const decrypted = await this.#decrypt(stored);
    return decrypted.state === "read" ? shown(stored, decrypted.value) : undecryptable(stored);
  }

  /** The same for a page of a list. */
  async revealAll(stored: readonly StoredMessage[]): Promise<Message[]> {
    return Promise.all(stored.map((message) => this.reveal(message)));
  }

  /**
   * The leased messages that can be read. The others do not stay with their receiver: one whose key cannot be had is given
   * back, to be tried again later; one that is not what was sent is put aside for people to look at.
   *
   * @returns also why some were given back: KEY_UNAVAILABLE
   */
  async revealLeased(agentId: string, leased: readonly StoredLeasedMessage[]): Promise<Revealed> {
    // Mostly nothing is encrypted.
    if (!leased.some(isEncrypted)) return { readable: [...leased] };
    const opened = await Promise.all(leased.map((message) => this.#open(message)));
    const readable = opened.flatMap((one) => ("message" in one ? one.message : []));
    const broken = leased.filter((_, index) => opened[index] === BROKEN);
    const waiting = leased.filter((_, index) => isUnread(opened[index]));
    if (broken.length > 0) {
      const settle = { outcome: "dead_letter", reason: UNDECRYPTABLE_REASON } as const;
      const settlements = broken.map(({ messageId, attempt }) => ({ messageId, attempt, ...settle }));
      await this.#store.settleMessages(agentId, settlements);
    }
    if (waiting.length > 0) {
      const messages = waiting.map(({ messageId, attempt }) => ({ messageId, attempt }));
      await this.#store.giveBackMessages({ agentId, messages, delayMilliseconds: GIVEN_BACK_MILLISECONDS });
    }
    return waiting.length > 0 ? { readable, unread: reasonOf(opened) } : { readable };
  }

  async #open(message: StoredLeasedMessage): Promise<Opened> {
    if (!isEncrypted(message)) return { message };
    try {
      const decrypted = await this.#decrypt(message);
      if (decrypted.state === "read") return { message: shown(message, decrypted.value) };
      return decrypted.state === "broken" ? BROKEN : {};
    } catch (error) {
      return { error };
    }
  }

  /** The payload with what is encrypted in it put in its place. */
  async #decrypt({
    sender,
    type,
    payload,
    keyVersion,
    resumeKeys,
    dependencyKeys,
    ...message
  }: StoredMessage): Promise<Decrypted> {
    if (sender !== SYSTEM_SENDER) {
      // A copy of a post is that of the post.
      return this.#encryption.decrypt(placeOf(message.postId ?? message.messageId), payload, keyVersion ?? "");
    }
    const fields = objectOf(payload);
    const id = fields?.taskId;
    if (fields === undefined || typeof id !== "string") return { state: "broken" };
    const value = { ...fields };
    if (keyVersion !== undefined) {
      const field = ENCRYPTED_FIELDS[type] ?? "result";
      const decrypted = await this.#encryption.decrypt({ kind: "task", id, field }, fields[field], keyVersion);
      if (decrypted.state !== "read") return decrypted;
      value[field] = decrypted.value;
    }
    if (dependencyKeys !== undefined) {
      const unread = await this.#decryptDependencies(value, dependencyKeys);
      if (unread !== undefined) return unread;
    }
    return resumeKeys === undefined ? { state: "read", value } : this.#decryptResume(id, value, resumeKeys);
  }

  /** Puts the results of dependencies and children into the payload. @returns what stands against it, if anything does */
  async #decryptDependencies(
    payload: { [key: string]: JsonValue },
    keys: ReadonlyMap<string, string>,
  ): Promise<Decrypted | undefined> {
    const resume = objectOf(payload.resume ?? null);
    const told = [
      { at: payload, name: "dependencies" },
      { at: { ...resume }, name: "children" },
    ];
    for (const { at, name } of told) {
      if (at[name] === undefined) continue;
      const list = await this.#decryptResults(at[name], keys);
      if (!Array.isArray(list)) return list;
      at[name] = list;
      if (at !== payload) payload.resume = at;
    }
    return undefined;
  }

  async #decryptResults(results: JsonValue, keys: ReadonlyMap<string, string>): Promise<JsonValue[] | Decrypted> {
    const dependencies: JsonValue[] = [];
    for (const stored of Array.isArray(results) ? results : []) {
      const dependency = { ...objectOf(stored) };
      const { taskId: id, result } = dependency;
      const keyVersion = typeof id === "string" ? keys.get(id) : undefined;
      if (typeof id === "string" && keyVersion !== undefined) {
        const decrypted = await this.#encryption.decrypt({ kind: "task", id, field: "result" }, result, keyVersion);
        if (decrypted.state !== "read") return decrypted;
        dependency.result = decrypted.value;
      }
      dependencies.push(dependency);
    }
    return dependencies;
  }

  async #decryptResume(id: string, payload: { [key: string]: JsonValue }, keys: ResumeKeys): Promise<Decrypted> {
    const resume = { ...objectOf(payload.resume ?? null) };
    const parts = [
      { name: "checkpoint", field: "checkpoint", version: keys.checkpoint },
      { name: "answer", field: keys.byDefault === true ? "defaultAnswer" : "answer", version: keys.answer },
    ] as const;
    for (const { name, field, version } of parts) {
      if (version === undefined) continue;
      const decrypted = await this.#encryption.decrypt({ kind: "task", id, field }, resume[name], version);
      if (decrypted.state !== "read") return decrypted;
      resume[name] = decrypted.value;
    }
    return { state: "read", value: { ...payload, resume } };
  }
}

/** What is encrypted of a message that the switchboard wrote. */
const ENCRYPTED_FIELDS: Readonly<Record<string, "parameters" | "question" | "result">> = {
  task_assignment: "parameters",
  task_question: "question",
  task_result: "result",
};

function isEncrypted({ keyVersion, resumeKeys, dependencyKeys }: StoredMessage): boolean {
  return keyVersion !== undefined || resumeKeys !== undefined || dependencyKeys !== undefined;
}

export interface Revealed {
  readable: LeasedMessage[];
  unread?: unknown;
}

/** A leased message: to be handed out; not what was sent; or without a key, with the reason if there is one. */
type Opened = { message: LeasedMessage } | typeof BROKEN | { error?: unknown };
const BROKEN = { broken: true } as const;

function isUnread(opened: Opened | undefined): opened is { error?: unknown } {
  return opened !== undefined && !("message" in opened) && opened !== BROKEN;
}

/** The first reason that there is; a key that is gone for good is none. */
function reasonOf(opened: readonly Opened[]): unknown {
  const reasons = opened.filter(isUnread).flatMap(({ error }) => error ?? []);
  const why = "The encryption key of these messages is missing; they wait until it is available.";
  return reasons[0] ?? new AgentCommunicationError("KEY_UNAVAILABLE", why, { retryAfterSeconds: 30 });
}

/** What a repeat has in common with the first: all that was said, except the id. */
function hashed({ messageId: _, sensitive, ...rest }: SendMessage): object {
  return sensitive === true ? { ...rest, sensitive } : rest;
}

/** By id or key: of one batch, they have to have the same hash. */
function isSameRequest(a: NewMessage, b: NewMessage): boolean {
  return a.messageId === b.messageId || (a.idempotencyKey !== undefined && a.idempotencyKey === b.idempotencyKey);
}

function placeOf(messageId: string): Place {
  return { kind: "message", id: messageId, field: "payload" };
}

function objectOf(payload: JsonValue): { [key: string]: JsonValue } | undefined {
  return typeof payload === "object" && payload !== null && !Array.isArray(payload) ? payload : undefined;
}

function shown<Stored extends StoredMessage>(
  stored: Stored,
  payload: JsonValue,
): Omit<Stored, "keyVersion" | "resumeKeys" | "dependencyKeys"> {
  const { keyVersion: _, resumeKeys: __, dependencyKeys: ___, ...message } = stored;
  return { ...message, payload, sensitive: true };
}

function undecryptable({ keyVersion: _, resumeKeys: __, dependencyKeys: ___, ...message }: StoredMessage): Message {
  return { ...message, payload: null, sensitive: true, undecryptable: true };
}
