import { AgentCommunicationError, isAgentCommunicationError } from "../errors.ts";
import type { AnonymousCaller, Caller } from "./caller.ts";
import { CallerVerifier, type GateParts } from "./caller-verifier.ts";
import type { Approach, Gate } from "./gate.ts";
import { presentedCredential, refuseForwardedCertificate } from "./presented-credential.ts";
import { fingerprintOf, ProvenCredentials } from "./proven-credentials.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { sourceOf } from "./source.ts";

/** The gate of authentication mode `required`: nobody comes in without one valid credential. */

const ANONYMOUS: AnonymousCaller = { kind: "anonymous" };
/** A burst may be as long as this many seconds of the rate. */
const BURST_SECONDS = 2;
const SECONDS_PER_MINUTE = 60;

/** At least one: a rate below one a second lets one through now and then, not none. */
function burstOf(perSecond: number): number {
  return Math.max(1, BURST_SECONDS * perSecond);
}

function refuseExcess(seconds: number, what: string): void {
  if (seconds === 0) return;
  throw new AgentCommunicationError("RATE_LIMITED", `${what}; wait for what Retry-After says.`, {
    retryAfterSeconds: seconds,
  });
}

/**
 * First what the source may ask at all, so that nothing is looked up for a flood; then who calls; then what the credential
 * may ask. Limits are those of this process: of n instances a caller gets at most n times as much.
 */
export class RequiredGate implements Gate {
  readonly #parts: GateParts;
  readonly #verifier: CallerVerifier;
  readonly #sources: RateLimiter;
  /** One token for each credential of a source that was not valid. */
  readonly #failures: RateLimiter;
  readonly #credentials: RateLimiter;
  readonly #proven = new ProvenCredentials();

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#verifier = new CallerVerifier(parts);
    const { clock, security } = parts;
    const { perSource, perCredential, badCredentialsPerSource: bad } = security.limits;
    this.#sources = new RateLimiter({ clock, perSecond: perSource, burst: burstOf(perSource) });
    this.#credentials = new RateLimiter({ clock, perSecond: perCredential, burst: burstOf(perCredential) });
    this.#failures = new RateLimiter({ clock, perSecond: bad / SECONDS_PER_MINUTE, burst: Math.max(1, bad) });
  }

  admit(approach: Approach, needed: boolean): Caller | Promise<Caller> {
    const { trustedProxies, clientCertificates } = this.#parts.security;
    const source = sourceOf(approach, trustedProxies);
    refuseExcess(this.#sources.take(source), "This source sends more requests than it may");
    refuseForwardedCertificate(approach, clientCertificates?.from);
    return needed ? this.#identify(approach, source) : ANONYMOUS;
  }

  async #identify(approach: Approach, source: string): Promise<Caller> {
    const presented = presentedCredential(approach, this.#parts.security.clientCertificates?.from);
    if (presented === undefined) {
      throw new AgentCommunicationError("UNAUTHENTICATED", "This needs a credential: Authorization: Bearer <token>.");
    }
    const fingerprint = fingerprintOf(presented);
    if (!this.#proven.has(fingerprint)) {
      refuseExcess(this.#failures.wait(source), "This source has shown too many credentials that are not valid");
    }
    try {
      const caller = await this.#verifier.verify(presented, approach);
      this.#proven.add(fingerprint);
      refuseExcess(this.#credentials.take(caller.credentialId), "This credential sends more requests than it may");
      if (caller.kind === "agent") caller.confirm = () => this.#verifier.verify(presented, approach);
      return caller;
    } catch (error) {
      // What is under way at the same time is not counted yet; how much that can be, the limit of the source says.
      if (isAgentCommunicationError(error, "UNAUTHENTICATED")) {
        this.#failures.take(source);
        this.#proven.forget(fingerprint);
      }
      throw error;
    }
  }
}
