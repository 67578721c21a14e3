import type { Clock } from "../model/clock.ts";
import { errorFields, type Log } from "../trace/log.ts";
import { isKeyVersion, type Key, type KeyRing, keyUnavailable, parseKeyText } from "./key-ring.ts";
import type { KeyVault, SecretVersion } from "./key-vault.ts";

/**
 * Keys that are the versions of a secret in a key vault: the newest enabled one is the current one, the older enabled ones still
 * decrypt. A key that was read once is kept for as long as the process lives, so that the vault is needed seldom.
 */

/** How old the current version may be before it is asked for again: in the background, while the known one goes on being used. */
const REFRESH_MILLISECONDS = 300_000;
/** Within this of the last list of versions, another one is not asked for, whatever version somebody wants. */
const FRESH_MILLISECONDS = 2_000;
/** Within this of a failure, the vault is not asked again. */
const FAILED_MILLISECONDS = 5_000;

export class VaultKeys implements KeyRing {
  readonly #vault: Pick<KeyVault, "versions" | "read">;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #keys = new Map<string, Key>();
  /** The value of a version never changes. */
  readonly #malformed = new Set<string>();
  readonly #loading = new Map<string, Promise<Key | undefined>>();
  #versions: readonly SecretVersion[] = [];
  #listedAt = Number.NEGATIVE_INFINITY;
  #listing: Promise<void> | undefined;
  #current: Key | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;

  /** @param parts.log told of what the vault did not answer: behind a known key that goes on being used, nobody else would say so */
  constructor(parts: { vault: Pick<KeyVault, "versions" | "read">; name: string; clock: Clock; log: Log }) {
    this.#log = parts.log;
    this.#vault = parts.vault;
    this.#name = parts.name;
    this.#clock = parts.clock;
  }

  async current({ fresh = false }: { fresh?: boolean } = {}): Promise<Key> {
    const known = this.#current;
    if (known !== undefined && !fresh) {
      // Whoever needs a version that only the vault has is told of its failure; here the known one does.
      if (this.#clock.monotonic() - this.#listedAt > REFRESH_MILLISECONDS) this.#refresh().catch(() => {});
      return known;
    }
    await this.#refresh();
    if (this.#current === undefined) {
      throw keyUnavailable(`The secret ${this.#name} has no enabled version in the key vault of this service.`);
    }
    return this.#current;
  }

  async find(version: string): Promise<Key | undefined> {
    const known = this.#keys.get(version);
    if (known !== undefined) return known;
    if (!isKeyVersion(version)) return undefined;
    // Only versions that there are are asked for: what stands in a database is nobody's to ask the vault with.
    if (!this.#isEnabled(version)) await this.#list();
    return this.#isEnabled(version) ? this.#load(version) : undefined;
  }

  #isEnabled(version: string): boolean {
    return this.#versions.some((one) => one.version === version && one.enabled);
  }

  async #refresh(): Promise<void> {
    await this.#list();
    const now = this.#clock.now();
    const usable = this.#versions.filter(({ enabled, notBefore }) => enabled && (notBefore ?? 0) <= now);
    // Creation times are in seconds; of two of the same second every process has to take the same one.
    const byAge = (a: SecretVersion, b: SecretVersion) => a.createdAt - b.createdAt || (a.version < b.version ? -1 : 1);
    const newest = usable.sort(byAge).at(-1);
    const key = newest && (await this.#load(newest.version));
    if (key !== undefined) this.#current = key;
  }

  /** One list at a time, for all who need it. */
  #list(): Promise<void> {
    if (this.#clock.monotonic() - this.#listedAt < FRESH_MILLISECONDS) return Promise.resolve();
    this.#listing ??= this.#asked(() => this.#vault.versions(this.#name))
      .then((versions) => {
        this.#versions = versions;
        this.#listedAt = this.#clock.monotonic();
      })
      .finally(() => {
        this.#listing = undefined;
      });
    return this.#listing;
  }

  /** Reads a version once, for all who wait for it. */
  async #load(version: string): Promise<Key | undefined> {
    const known = this.#keys.get(version);
    if (known !== undefined) return known;
    if (this.#malformed.has(version)) throw this.#notAKey(version);
    const loading = this.#loading.get(version) ?? this.#read(version).finally(() => this.#loading.delete(version));
    this.#loading.set(version, loading);
    return loading;
  }

  async #read(version: string): Promise<Key | undefined> {
    const text = await this.#asked(() => this.#vault.read(this.#name, version));
    // It was disabled since it was listed.
    if (text === undefined) return undefined;
    const bytes = parseKeyText(text);
    if (bytes === undefined || !isKeyVersion(version)) {
      this.#malformed.add(version);
      this.#log.error("a version of the secret is not a key", { secret: this.#name, version });
      throw this.#notAKey(version);
    }
    const key = { version, bytes };
    this.#keys.set(version, key);
    return key;
  }

  #notAKey(version: string) {
    return keyUnavailable(`Version ${version} of the secret ${this.#name} is not a key: a key is 32 bytes in base64.`);
  }

  async #asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    if (this.#clock.monotonic() - this.#failedAt < FAILED_MILLISECONDS) throw this.#away();
    try {
      return await ask();
    } catch (error) {
      this.#failure = error;
      this.#failedAt = this.#clock.monotonic();
      this.#log.error("the key vault did not give the encryption keys", errorFields(error));
      throw this.#away();
    }
  }

  #away() {
    const why = "The key vault of this service cannot be reached, or refuses access; see the log of the service.";
    return keyUnavailable(why, { cause: this.#failure });
  }
}
