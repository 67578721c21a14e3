import { AgentCommunicationError, isAgentCommunicationError } from "../model/errors.ts";
import { parseSecret } from "../security/token.ts";
import { UNNAMED_ACTOR } from "../trace/call-context.ts";
import type { AnonymousCaller, Caller } from "./caller.ts";
import { CallerVerifier, type GateParts, type VerifiedCaller } from "./caller-verifier.ts";
import type { Approach, Gate } from "./gate.ts";
import { type PresentedCredential, presentedCredential, refuseForwardedCertificate } from "./presented-credential.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { RefusalCounter } from "./refusal-counter.ts";
import { sourceOf } from "./source.ts";

/** The gate of authentication mode `required`: nobody comes in without one valid credential. */

const ANONYMOUS: AnonymousCaller = { kind: "anonymous" };
/** A burst may be as long as this many seconds of the rate. */
const BURST_SECONDS = 2;
const SECONDS_PER_MINUTE = 60;

/** How long the requests of a caller take turns after a dear one. */
const DEAR_MILLISECONDS = 5_000;
/** Credentials remembered for that at most. */
const DEAR_MAX = 10_000;

/** At least one: a rate below one a second lets one through now and then, not none. */
function burstOf(perSecond: number): number {
  return Math.max(1, BURST_SECONDS * perSecond);
}

function tooMuch(seconds: number, what: string): AgentCommunicationError {
  return new AgentCommunicationError("RATE_LIMITED", `${what}; wait as long as Retry-After says.`, {
    retryAfterSeconds: seconds,
  });
}

function refuseExcess(seconds: number, what: string): void {
  if (seconds > 0) throw tooMuch(seconds, what);
}

/** The id of a token or enrolment key that has the right form; undefined for all else. */
function shownId(presented: PresentedCredential | undefined): string | undefined {
  if (presented?.kind !== "token" && presented?.kind !== "enrolment") return undefined;
  return parseSecret(presented.text)?.credentialId;
}

/**
 * Who calls, then what its source and its credential may ask. A right credential is never refused because of others' wrong ones:
 * it is looked up in any case, by turns (credential-cache.ts), and what is wrong is counted apart. Wrong ones only slow further
 * wrong ones, of their source and, where secrets of an existing credential are guessed, of that credential. Limits are
 * those of this process: of n instances a caller gets at most n times as much.
 */
export class RequiredGate implements Gate {
  readonly #parts: GateParts & { refusals: RefusalCounter };
  readonly #verifier: CallerVerifier;
  /** What sources ask with a right credential. */
  readonly #sources: RateLimiter;
  /** What sources ask without one. */
  readonly #strangers: RateLimiter;
  /** One token for each credential of a source that was not valid. */
  readonly #failures: RateLimiter;
  /** One token for each wrong use of a credential that is known. */
  readonly #guesses: RateLimiter;
  readonly #credentials: RateLimiter;
  /** Until when the requests of a credential take turns. */
  readonly #dear = new Map<string, number>();

  constructor(parts: GateParts & { refusals: RefusalCounter }) {
    this.#parts = parts;
    this.#verifier = new CallerVerifier(parts);
    const { clock, security } = parts;
    const { perSource, perCredential, badCredentialsPerSource: bad } = security.limits;
    const ofSource = { clock, perSecond: perSource, burst: burstOf(perSource) };
    const ofFailures = { clock, perSecond: bad / SECONDS_PER_MINUTE, burst: Math.max(1, bad) };
    this.#sources = new RateLimiter(ofSource);
    this.#strangers = new RateLimiter(ofSource);
    this.#credentials = new RateLimiter({ clock, perSecond: perCredential, burst: burstOf(perCredential) });
    this.#failures = new RateLimiter(ofFailures);
    this.#guesses = new RateLimiter(ofFailures);
  }

  agentChanged(agentId: string): void {
    this.#verifier.agentChanged(agentId);
  }

  admit(approach: Approach, needed: boolean): Caller | Promise<Caller> {
    const source = sourceOf(approach, this.#parts.security.trustedProxies);
    const shown = this.#shown(approach, needed, source);
    if (shown === undefined) return ANONYMOUS;
    const caller = this.#identify(shown, approach, source);
    if (caller instanceof Promise) return caller.then((verified) => this.#letIn(verified, shown, approach, source));
    return this.#letIn(caller, shown, approach, source);
  }

  charge(caller: Caller, cost: number): void {
    if (caller.kind !== "agent" && caller.kind !== "enrolment") return;
    this.#credentials.charge(caller.credentialId, cost);
    if (this.#dear.size >= DEAR_MAX) this.#dear.clear();
    this.#dear.set(caller.credentialId, this.#parts.clock.monotonic() + DEAR_MILLISECONDS);
  }

  isDear(caller: Caller): boolean {
    if (this.#dear.size === 0 || (caller.kind !== "agent" && caller.kind !== "enrolment")) return false;
    const until = this.#dear.get(caller.credentialId);
    if (until === undefined) return false;
    if (until > this.#parts.clock.monotonic()) return true;
    this.#dear.delete(caller.credentialId);
    return false;
  }

  /** The one credential of the request; undefined where none is needed. */
  #shown(approach: Approach, needed: boolean, source: string): PresentedCredential | undefined {
    const from = this.#parts.security.clientCertificates?.from;
    try {
      refuseForwardedCertificate(approach, from);
      if (!needed) {
        refuseExcess(this.#strangers.take(source), "This source sends too many requests without a credential");
        return undefined;
      }
      const shown = presentedCredential(approach, from);
      if (shown !== undefined) return shown;
    } catch (error) {
      throw this.#refusal(error, undefined, source);
    }
    const detail = "The request needs a credential: Authorization: Bearer <token>.";
    throw this.#refusal(new AgentCommunicationError("UNAUTHENTICATED", detail), undefined, source);
  }

  #identify(shown: PresentedCredential, approach: Approach, source: string): VerifiedCaller | Promise<VerifiedCaller> {
    try {
      const caller = this.#verifier.verify(shown, approach, { source });
      if (!(caller instanceof Promise)) return caller;
      return caller.catch((error: unknown) => {
        throw this.#refusal(error, shown, source);
      });
    } catch (error) {
      throw this.#refusal(error, shown, source);
    }
  }

  /** For a verified caller only the requests of the same credential, and of others from its source, count now. */
  #letIn(caller: VerifiedCaller, shown: PresentedCredential, approach: Approach, source: string): Caller {
    const wait = this.#sources.take(source);
    const waits = wait > 0 ? wait : this.#credentials.take(caller.credentialId);
    if (waits > 0) {
      const what = wait > 0 ? "This source" : "This credential";
      const excess = tooMuch(waits, `${what} sends too many requests`);
      this.#note(excess, source, caller.credentialId);
      throw excess;
    }
    if (caller.kind === "agent") {
      caller.confirm = async (anew = false) => {
        const again = await this.#verifier.verify(shown, approach, { source, anew });
        // An administrating application whose binding was revoked is still accepted, but only as itself.
        if (again.kind === "agent" && again.agentId === caller.agentId) return again;
        throw new AgentCommunicationError("FORBIDDEN", `The credential no longer belongs to ${caller.agentId}.`);
      };
    }
    return caller;
  }

  /** What is answered in place of `error`, after it has been counted. */
  #refusal(error: unknown, shown: PresentedCredential | undefined, source: string): unknown {
    const excess = this.#strangers.take(source);
    if (!isAgentCommunicationError(error) || error.status >= 500) return error;
    const credentialId = shownId(shown);
    const isWrong = error.code === "UNAUTHENTICATED" && shown !== undefined;
    const wait = Math.max(excess, isWrong ? this.#countWrong(source, credentialId) : 0);
    const answer =
      wait > 0
        ? tooMuch(wait, "Too many wrong credentials came from this source, or with the id of this credential")
        : error;
    this.#note(answer, source, credentialId);
    return answer;
  }

  /** @returns the seconds after which such a credential is answered again */
  #countWrong(source: string, credentialId: string | undefined): number {
    const ofSource = this.#failures.take(source);
    const known = credentialId !== undefined && this.#parts.credentials.isKnown(credentialId);
    return known ? Math.max(ofSource, this.#guesses.take(credentialId)) : ofSource;
  }

  /** Audits the refusal with its minute's, and logs the first of a minute. */
  #note(error: AgentCommunicationError, source: string, credentialId: string | undefined): void {
    const { refusals, log } = this.#parts;
    const isFirst = refusals.countError(UNNAMED_ACTOR, error, { source, credentialId });
    if (isFirst) log.info("credential refused", { code: error.code, source, credentialId });
  }
}
