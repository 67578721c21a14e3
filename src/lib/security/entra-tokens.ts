import type { JWTPayload } from "jose";
import { z } from "zod";
import type { EntraSettings } from "../config/security-settings.ts";
import type { AgentRole } from "../model/agent.ts";
import type { Clock } from "../model/clock.ts";
import { AgentCommunicationError, isAgentCommunicationError } from "../model/errors.ts";

/**
 * Access tokens of Entra ID, as the Microsoft identity platform issues them to applications for an API of its own: v2.0
 * tokens, signed with RS256, that name app roles.
 * https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */

/** What the application registration's app roles are called, in the order in which one is chosen for a new agent. */
const APP_ROLES: readonly (readonly [string, AgentRole])[] = [
  ["Agent.Admin", "admin"],
  ["Agent.Supervisor", "supervisor"],
  ["Agent.Worker", "worker"],
  ["Agent.Observer", "observer"],
];

/** By how much clocks may differ. */
const LEEWAY_SECONDS = 60;
/** A key id that we do not know makes us ask for the keys again, but not sooner than this after the last time. */
const KEYS_COOLDOWN_MILLISECONDS = 30_000;
/** Keys that nobody asks for are dropped: what Entra ID has withdrawn is believed no longer than this. */
const KEYS_MAX_AGE_MILLISECONDS = 3_600_000;
const KEYS_TIMEOUT_MILLISECONDS = 5_000;
/** After a failure the keys are not asked for again for so long: tokens of strangers must not make us hammer the issuer. */
const KEYS_RETRY_MILLISECONDS = 5_000;

/** The claims that we decide by, beside issuer, audience and times, which `jose` checks. */
const claimsSchema = z.object({
  oid: z.guid().toLowerCase(),
  tid: z.string().toLowerCase(),
  sub: z.string().optional(),
  idtyp: z.string().optional(),
  scp: z.string().optional(),
  roles: z.array(z.string()).default([]),
});
type Claims = z.output<typeof claimsSchema>;

/** An application that Entra ID vouches for. */
export interface EntraPrincipal {
  /** The service principal's object id, in lower case. */
  objectId: string;
  /** What its app roles stand for: at least one, in the order admin, supervisor, worker, observer. */
  roles: readonly AgentRole[];
}

/** What a person can do about it is told; a forger learns nothing, since claims are looked at after the signature. */
function notValid(reason = "is not valid here", cause?: unknown): AgentCommunicationError {
  return new AgentCommunicationError("UNAUTHENTICATED", `The access token ${reason}.`, {
    challenge: "invalid_token",
    cause,
  });
}

function unavailable(cause?: unknown): AgentCommunicationError {
  return new AgentCommunicationError("IDENTITY_UNAVAILABLE", "The signing keys of Entra ID cannot be read now.", {
    retryAfterSeconds: KEYS_RETRY_MILLISECONDS / 1_000,
    cause,
  });
}

/**
 * Whether the token stands for an application alone. `idtyp` says so where the registration asks for that optional claim;
 * otherwise a token of a user has scopes (`scp`), and an ID token, which has none, names its user in a `sub` that differs
 * from `oid`.
 */
function isAppOnly({ idtyp, scp, sub, oid }: Claims): boolean {
  if (scp !== undefined) return false;
  if (idtyp !== undefined) return idtyp === "app";
  return sub === undefined || sub.toLowerCase() === oid;
}

type Verify = (token: string) => Promise<JWTPayload>;

/** Verifies access tokens of one tenant for one audience. Loads its library and the keys when the first token comes. */
export class EntraTokenVerifier {
  readonly #settings: EntraSettings;
  readonly #clock: Clock;
  #verify: Promise<Verify> | undefined;
  #retryAt = 0;

  constructor(settings: EntraSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * @throws UNAUTHENTICATED for whatever is not a valid token of an application for us; FORBIDDEN when it has none of our app
   * roles; IDENTITY_UNAVAILABLE when the keys cannot be had
   */
  async verify(token: string): Promise<EntraPrincipal> {
    this.#verify ??= this.#load();
    const claims = claimsSchema.safeParse(await (await this.#verify)(token));
    if (!claims.success || claims.data.tid !== this.#settings.tenant) throw notValid("belongs to another tenant");
    if (!isAppOnly(claims.data)) throw notValid("belongs to a user; only applications are accepted");
    const given = claims.data.roles;
    const roles = APP_ROLES.filter(([name]) => given.includes(name)).map(([, role]) => role);
    if (roles.length > 0) return { objectId: claims.data.oid, roles };
    const names = APP_ROLES.map(([name]) => name).join(", ");
    throw new AgentCommunicationError("FORBIDDEN", `The application has none of the app roles ${names}.`);
  }

  async #load(): Promise<Verify> {
    const { createRemoteJWKSet, customFetch, errors, jwtVerify } = await import("jose");
    const { authority, tenant, audience } = this.#settings;
    const keys = createRemoteJWKSet(new URL(`${authority}/${tenant}/discovery/v2.0/keys`), {
      cooldownDuration: KEYS_COOLDOWN_MILLISECONDS,
      cacheMaxAge: KEYS_MAX_AGE_MILLISECONDS,
      timeoutDuration: KEYS_TIMEOUT_MILLISECONDS,
      [customFetch]: (url: string, init: RequestInit) => this.#fetchKeys(url, init),
    });
    /** An answer that holds no keys is the issuer's fault, as none is; all else is the token's. */
    const isIssuers = (error: unknown) =>
      error instanceof errors.JWKSInvalid ||
      error instanceof errors.JWKSTimeout ||
      (error instanceof errors.JOSEError && error.code === errors.JOSEError.code);
    return async (token) => {
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer: `${authority}/${tenant}/v2.0`,
          audience,
          // One algorithm, and not the token's choice: neither "none" nor a public key used as a shared secret gets in.
          algorithms: ["RS256"],
          requiredClaims: ["exp"],
          clockTolerance: LEEWAY_SECONDS,
          currentDate: new Date(this.#clock.now()),
        });
        return payload;
      } catch (error) {
        if (isAgentCommunicationError(error)) throw error;
        if (isIssuers(error)) throw this.#keysFailed(error);
        if (error instanceof errors.JWTExpired) throw notValid("has expired", error);
        const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : undefined;
        throw notValid(
          claim === undefined ? undefined : `does not have the ${claim} that this service requires`,
          error,
        );
      }
    };
  }

  async #fetchKeys(url: string, init: RequestInit): Promise<Response> {
    if (this.#clock.monotonic() < this.#retryAt) throw unavailable();
    try {
      const response = await fetch(url, init);
      if (response.status === 200) return response;
      throw new Error(`status ${response.status}`);
    } catch (error) {
      throw this.#keysFailed(error);
    }
  }

  #keysFailed(cause: unknown): AgentCommunicationError {
    this.#retryAt = this.#clock.monotonic() + KEYS_RETRY_MILLISECONDS;
    return unavailable(cause);
  }
}
