import { hash } from "node:crypto";
import type { PresentedCredential } from "./presented-credential.ts";

/**
 * Which credentials have been valid in this process. Where many agents share an address, one of them that goes on showing a wrong
 * credential uses up what the address may show of those; who has proved itself before is not held up by that.
 *
 * Being known here lets nobody in: the credential is verified each time, and forgotten when it is not valid any more.
 */

/** About 2 MB at most. Beyond, the one that was used longest ago is forgotten. */
const MAX_CREDENTIALS = 10_000;

/** The SHA-256 of what was shown, so that no secret is kept; undefined for what is no credential. */
export function fingerprintOf(presented: PresentedCredential): string | undefined {
  switch (presented.kind) {
    case "unreadable":
      return undefined;
    case "certificate":
      return hash("sha256", presented.der, "base64");
    default:
      return hash("sha256", presented.text, "base64");
  }
}

export class ProvenCredentials {
  /** In the order of their last use. */
  readonly #fingerprints = new Set<string>();

  has(fingerprint: string | undefined): boolean {
    return fingerprint !== undefined && this.#fingerprints.has(fingerprint);
  }

  add(fingerprint: string | undefined): void {
    if (fingerprint === undefined) return;
    this.#fingerprints.delete(fingerprint);
    if (this.#fingerprints.size >= MAX_CREDENTIALS) {
      const oldest = this.#fingerprints.values().next();
      if (!oldest.done) this.#fingerprints.delete(oldest.value);
    }
    this.#fingerprints.add(fingerprint);
  }

  forget(fingerprint: string | undefined): void {
    if (fingerprint !== undefined) this.#fingerprints.delete(fingerprint);
  }
}
