import { FairSlots } from "../base/fair-slots.ts";
import type { ClientCertificateSettings, SecuritySettings } from "../config/security-settings.ts";
import type { LookupOptions } from "../domain/credentials/credential-cache.ts";
import type { CredentialRegistry, VerifiedAgent } from "../domain/credentials/credential-registry.ts";
import { agentIdSchema } from "../model/agent.ts";
import type { Clock } from "../model/clock.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import { parse } from "../model/parse.ts";
import type { ClientCertificateVerifier } from "../security/certificates/client-certificates.ts";
import { EntraTokenVerifier } from "../security/entra-tokens.ts";
import type { Store } from "../store/store.ts";
import { errorFields, type Log } from "../trace/log.ts";
import { AgentRoles } from "./agent-roles.ts";
import type { AgentCaller, Caller } from "./caller.ts";
import { entraCaller } from "./entra-callers.ts";
import { isOfForeignPage } from "./foreign-origin.ts";
import type { Approach } from "./gate.ts";
import type { PresentedCredential } from "./presented-credential.ts";

/** Who a caller is, from the credential that it shows. */

/** What the gate is made of. */
export interface GateParts {
  security: SecuritySettings;
  clock: Clock;
  store: Store;
  credentials: CredentialRegistry;
  log: Log;
}

export type VerifiedCaller = Extract<Caller, { credentialId: string }>;

function notValid(): AgentCommunicationError {
  return new AgentCommunicationError("UNAUTHENTICATED", "The credential is not valid, or no longer valid.", {
    challenge: "invalid_token",
  });
}

/** Loads the verifier of client certificates with its files. @throws Error naming the setting of a file that will not do */
export async function openClientCertificates(
  settings: ClientCertificateSettings,
  clock: Clock,
  log: Log,
): Promise<ClientCertificateVerifier> {
  const { ClientCertificateVerifier: Verifier } = await import("../security/certificates/client-certificates.ts");
  return new Verifier(settings, clock, (setting, error) => {
    log.error("a file could not be read again", { setting, ...errorFields(error) });
  });
}

export class CallerVerifier {
  readonly #parts: GateParts;
  readonly #entra: EntraTokenVerifier | undefined;
  readonly #roles: AgentRoles;
  /** A signature takes about 0.1 ms of a thread of the pool. */
  readonly #signatures = new FairSlots({ slots: 16, slotsPerSource: 4, waitingPerSource: 2_000, waiting: 20_000 });
  #certificates: Promise<ClientCertificateVerifier> | undefined;

  constructor(parts: GateParts) {
    this.#parts = parts;
    const { entra } = parts.security;
    this.#entra = entra && new EntraTokenVerifier(entra, parts.clock);
    this.#roles = new AgentRoles(parts.store);
  }

  /** A registration or deregistration of this process counts at once. */
  agentChanged(agentId: string): void {
    this.#roles.forget(agentId);
  }

  /**
   * Verifies a credential; at once, without a promise, a token that was looked up in the last 5 s.
   *
   * @param options.anew nothing that was read before counts
   * @throws UNAUTHENTICATED when it is not valid; FORBIDDEN, INVALID_REQUEST when it is, but not for what the request says of
   * the agent; RATE_LIMITED, STORE_UNAVAILABLE, IDENTITY_UNAVAILABLE when it cannot be told now
   */
  verify(
    presented: PresentedCredential,
    approach: Approach,
    options: LookupOptions,
  ): VerifiedCaller | Promise<VerifiedCaller> {
    switch (presented.kind) {
      case "token": {
        const agent = this.#parts.credentials.verifyTokenSoon(presented.text, options);
        return agent instanceof Promise
          ? agent.then((found) => agentCaller(found, "token", approach))
          : agentCaller(agent, "token", approach);
      }
      case "enrolment":
        return this.#enrolment(presented.text, approach, options);
      case "entra":
        return this.#application(presented.text, approach, options);
      case "certificate":
        return this.#certificate(presented.der, approach, options);
      case "unreadable":
        throw notValid();
    }
  }

  async #enrolment(text: string, approach: Approach, options: LookupOptions): Promise<VerifiedCaller> {
    const key = await this.#parts.credentials.verifyEnrolmentKey(text, options);
    if (key === undefined) throw notValid();
    if (wantedAgent(approach) !== undefined) {
      const detail = "X-Agent-Id: an enrolment key belongs to no agent; leave the header out.";
      throw new AgentCommunicationError("INVALID_REQUEST", detail);
    }
    return { kind: "enrolment", ...key };
  }

  async #application(text: string, approach: Approach, options: LookupOptions): Promise<VerifiedCaller> {
    const entra = this.#entra;
    if (entra === undefined) throw notValid();
    const principal = await this.#signatures.run(options.source ?? "", () => entra.verify(text));
    const { credentials } = this.#parts;
    return entraCaller(principal, wantedAgent(approach), { credentials, roles: this.#roles, options });
  }

  async #certificate(der: Uint8Array, approach: Approach, options: LookupOptions): Promise<VerifiedCaller> {
    const { security, clock, log, credentials } = this.#parts;
    if (security.clientCertificates === undefined) throw notValid();
    if (isOfForeignPage(approach.header)) {
      const detail = "With a client certificate, requests from web pages of another origin are refused.";
      throw new AgentCommunicationError("FORBIDDEN", detail);
    }
    this.#certificates ??= openClientCertificates(security.clientCertificates, clock, log);
    const names = (await this.#certificates).verify(der);
    const bound = names && (await credentials.findCertificate(names, options));
    return agentCaller(bound, "certificate", approach);
  }
}

/** The X-Agent-Id header. @throws INVALID_REQUEST when it is no id, or is there twice */
function wantedAgent({ header }: Approach): string | undefined {
  const value = header("x-agent-id");
  return value === undefined ? undefined : parse(agentIdSchema, value, "X-Agent-Id header");
}

function agentCaller(
  agent: VerifiedAgent | undefined,
  credential: "token" | "certificate",
  approach: Approach,
): AgentCaller {
  if (agent === undefined) throw notValid();
  const { agentId, role, credentialId, bounds } = agent;
  const wanted = wantedAgent(approach);
  if (wanted !== undefined && wanted !== agentId) {
    throw new AgentCommunicationError(
      "FORBIDDEN",
      `The credential belongs to ${agentId}; X-Agent-Id must be ${agentId}.`,
    );
  }
  return { kind: "agent", agentId, role, roles: [role], credential, credentialId, bounds };
}
