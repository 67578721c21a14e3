import type { Clock } from "../model/clock.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { KeyVault } from "./key-vault.ts";

/** How old a value may be before it is read again: in the background, while the known one goes on being used. */
const REFRESH_MILLISECONDS = 300_000;
/** Within this of the last reading, the vault is not asked again, however often the value is refused. */
const FRESH_MILLISECONDS = 2_000;
/** So long after a change it may be the reason of a refusal: about as long as a call is tried. */
const CHANGED_MILLISECONDS = 15_000;

/** The newest version of a secret, such as a password, as it was read last. */
export class CachedSecret {
  readonly #vault: Pick<KeyVault, "read">;
  readonly #name: string;
  readonly #clock: Clock;
  #value: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #changedAt = Number.NEGATIVE_INFINITY;
  readonly #onFailure: (error: unknown) => void;
  #reading: Promise<string> | undefined;

  /** @param parts.onFailure told of each reading that failed, those in the background included; must not throw */
  constructor(parts: {
    vault: Pick<KeyVault, "read">;
    name: string;
    clock: Clock;
    onFailure: (error: unknown) => void;
  }) {
    this.#onFailure = parts.onFailure;
    this.#vault = parts.vault;
    this.#name = parts.name;
    this.#clock = parts.clock;
  }

  /** Reads it unless it has been read. @throws STORE_UNAVAILABLE */
  async load(): Promise<string> {
    return this.#value ?? this.#read();
  }

  /** As it was read last; the next caller may get a newer one. */
  get latest(): string {
    if (this.#value === undefined) throw new Error(`the secret ${this.#name} is used before it has been read`);
    if (this.#clock.monotonic() - this.#readAt > REFRESH_MILLISECONDS) this.#read().catch(() => {});
    return this.#value;
  }

  /**
   * Reads it again, because what is known was refused.
   *
   * @returns whether it has become another one of late: of many who are refused at once, only the first sees it change
   * @throws STORE_UNAVAILABLE
   */
  async renew(): Promise<boolean> {
    if (this.#clock.monotonic() - this.#readAt >= FRESH_MILLISECONDS) await this.#read();
    return this.#clock.monotonic() - this.#changedAt < CHANGED_MILLISECONDS;
  }

  #read(): Promise<string> {
    this.#reading ??= this.#ask().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #ask(): Promise<string> {
    const readAt = this.#clock.monotonic();
    const value = await this.#vault.read(this.#name).catch((cause) => {
      this.#onFailure(cause);
      throw unavailable(
        "The password of the database cannot be read from the key vault; see the log of the service.",
        cause,
      );
    });
    if (value === undefined) throw unavailable(`The key vault has no enabled secret ${this.#name}.`);
    if (this.#value !== undefined && this.#value !== value) this.#changedAt = readAt;
    this.#value = value;
    this.#readAt = readAt;
    return value;
  }
}

function unavailable(why: string, cause?: unknown): AgentCommunicationError {
  return new AgentCommunicationError("STORE_UNAVAILABLE", why, { retryAfterSeconds: 5, cause });
}
