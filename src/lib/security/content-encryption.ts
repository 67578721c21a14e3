import { requestHash } from "../model/ids.ts";
import type { JsonValue } from "../model/json.ts";
import { jsonTextOf } from "../model/json-text.ts";
import { currentCall } from "../trace/call-context.ts";
import { decryptText, encryptText, keyedHash, type Place, versionOfHash } from "./envelope.ts";
import { type Key, type KeyRing, noKeys } from "./key-ring.ts";

/**
 * What is encrypted and how it comes back: the domain encrypts what it gives to a store, and decrypts what it gets from one.
 */

export type { Place } from "./envelope.ts";
export type { Key } from "./key-ring.ts";

/** An envelope, as the JSON value that a store keeps, and the version that it keeps beside it. */
export interface EncryptedValue {
  value: string;
  keyVersion: string;
}

/** What became of an envelope: its value; no key for it any more; or not what was encrypted, so nobody may take it for that. */
export type Decrypted = { state: "read"; value: JsonValue } | { state: "no_key" } | { state: "broken" };

export class ContentEncryption {
  readonly #keys: KeyRing;
  readonly #all: boolean;

  /** @param parts.all whether everything counts as sensitive, marked or not */
  constructor(parts: { keys: KeyRing; all: boolean }) {
    this.#keys = parts.keys;
    this.#all = parts.all;
  }

  /** Whether everything is encrypted. */
  get all(): boolean {
    return this.#all;
  }

  /** Whether contents that are marked so, or not, are to be encrypted. */
  covers(sensitive: boolean | undefined): boolean {
    return this.#all || sensitive === true;
  }

  /** What new values are encrypted under. @throws KEY_UNAVAILABLE */
  currentKey(): Promise<Key> {
    return this.#keys.current();
  }

  encrypt(key: Key, place: Place, value: JsonValue): EncryptedValue {
    return { value: encryptText(key, place, jsonTextOf(value).text), keyVersion: key.version };
  }

  /**
   * For a caller who is not shown contents every value is null.
   *
   * @param envelope what a store says is one, of that version
   * @throws KEY_UNAVAILABLE
   */
  async decrypt(place: Place, envelope: JsonValue | undefined, keyVersion: string): Promise<Decrypted> {
    if (currentCall().withoutContents) return { state: "read", value: null };
    const key = await this.#keys.find(keyVersion);
    if (key === undefined) return { state: "no_key" };
    const text = typeof envelope === "string" ? decryptText(key, place, envelope) : undefined;
    return text === undefined ? { state: "broken" } : { state: "read", value: JSON.parse(text) as JsonValue };
  }

  /** The hash by which a repeat of a request is recognised; with a key, nobody can try guesses of what is in it. */
  hash(key: Key | undefined, request: unknown): string {
    return key === undefined ? requestHash(request) : keyedHash(key, request);
  }

  /** The hash of a request, made the way that another one was: with the same version of the key, or without one. */
  async hashLike(stored: string, request: unknown): Promise<string | undefined> {
    const version = versionOfHash(stored);
    if (version === undefined) return requestHash(request);
    const key = await this.#keys.find(version);
    return key && keyedHash(key, request);
  }
}

/** Where nobody has given a key: nothing sensitive is taken, and everything else goes on. */
export const withoutKeys = new ContentEncryption({ keys: noKeys, all: false });
