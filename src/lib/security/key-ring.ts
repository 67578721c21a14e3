import { AgentCommunicationError } from "../model/errors.ts";

/** The keys that contents are encrypted under: versions of one, of which the newest is used and all others still decrypt. */

export interface Key {
  /** 1–36 characters; those of a key vault have 32. */
  version: string;
  /** 32 bytes. */
  bytes: Uint8Array;
}

/** Where keys come from. */
export interface KeyRing {
  /**
   * The key that new values are encrypted under.
   *
   * @param options.fresh asks the source whether there is a newer one, instead of going by what is known
   * @throws KEY_UNAVAILABLE
   */
  current(options?: { fresh?: boolean }): Promise<Key>;
  /** The key of a version; undefined when there is none. @throws KEY_UNAVAILABLE when that cannot be said now */
  find(version: string): Promise<Key | undefined>;
  /** Makes a new version, which is the current one from then on; absent where others make them. @throws KEY_UNAVAILABLE */
  add?(): Promise<Key>;
}

const KEY_BYTES = 32;
const VERSION = /^[A-Za-z0-9-]{1,36}$/;
const KEY_TEXT = /^[A-Za-z0-9+/_-]{43}=?$/;

/** The 32 bytes that a text in base64 or base64url stands for; undefined for any other. */
export function parseKeyText(text: string): Uint8Array | undefined {
  const trimmed = text.trim();
  if (!KEY_TEXT.test(trimmed)) return undefined;
  // This alphabet reads the other one, too.
  const bytes = Buffer.from(trimmed, "base64");
  return bytes.length === KEY_BYTES ? bytes : undefined;
}

export function isKeyVersion(version: string): boolean {
  return VERSION.test(version);
}

/** Seconds after which another try may find the key; short, for most outages are. */
const RETRY_SECONDS = 5;

/** @param why a sentence for people, without any key */
export function keyUnavailable(
  why: string,
  { cause, retryAfterSeconds = RETRY_SECONDS }: { cause?: unknown; retryAfterSeconds?: number } = {},
): AgentCommunicationError {
  return new AgentCommunicationError("KEY_UNAVAILABLE", why, { retryAfterSeconds, cause });
}

/** Longer than a client goes on trying: somebody has to configure a key first. */
const UNCONFIGURED_RETRY_SECONDS = 300;

/** The ring of a service that has no keys. */
export const noKeys: KeyRing = {
  async current() {
    const why = "This service has no encryption key: set AZURE_KEY_VAULT_URL or AGENT_KEY_FILE.";
    throw keyUnavailable(why, { retryAfterSeconds: UNCONFIGURED_RETRY_SECONDS });
  },
  find: async () => undefined,
};

/** A ring whose newer keys are elsewhere than its older ones, which only decrypt. */
export function withOlderKeys(newer: KeyRing, older: KeyRing): KeyRing {
  return {
    current: (options) => newer.current(options),
    // The older ones are at hand, so they are asked first.
    find: async (version) => (await older.find(version)) ?? (await newer.find(version)),
  };
}
