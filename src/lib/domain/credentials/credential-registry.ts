import type { z } from "zod";
import type { Agent, AgentRole, AgentStatus, RegisterAgent } from "../../model/agent.ts";
import {
  type AgentScope,
  CREDENTIAL_USE_MILLISECONDS,
  type Credential,
  credentialIdSchema,
  type IssueCredential,
  type IssueCredentialInput,
  type IssueCredentialReply,
  issueCredentialSchema,
  listCredentialsQuerySchema,
  objectIdSchema,
  type RenewTokenReply,
} from "../../model/credential.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { newId } from "../../model/ids.ts";
import { parse } from "../../model/parse.ts";
import { newSecret, type ParsedSecret, parseSecret, sameHash } from "../../security/token.ts";
import type { CredentialLookup, NewCredential, Store } from "../../store/store.ts";
import { CredentialCache, type KnownCredential, type LookupOptions } from "./credential-cache.ts";
import type { RegistrationBounds } from "./registration-bounds.ts";

/** An agent that has proved itself by a credential of its own. Role and status may be up to 5 s old. */
export interface VerifiedAgent {
  credentialId: string;
  agentId: string;
  role: AgentRole;
  /** A deregistered agent may register again with its own credential; what else it may do the verbs say. */
  agentStatus: AgentStatus;
  bounds?: RegistrationBounds;
}

/** An enrolment key that is valid; whether a use of it is left is known when it is used. */
export interface VerifiedEnrolmentKey {
  credentialId: string;
  roles: readonly AgentRole[];
  agentIdPrefix: string;
  bounds?: RegistrationBounds;
}

/** An Entra ID principal, and which agents it may act as: see isInScope. */
export interface BoundPrincipal extends AgentScope {
  credentialId: string;
  bounds?: RegistrationBounds;
}

/**
 * Issues, checks and revokes what agents prove themselves by. Checks are cached for at most 5 s, so a revocation takes effect
 * everywhere within 5 s, and at once in the process that revokes.
 *
 * @example
 * const { secret } = await credentials.issue({ kind: "token", agentId: "backend-1" });
 * await credentials.verifyToken(secret); // { agentId: "backend-1", role: "worker", … }
 */
export class CredentialRegistry {
  readonly #store: Store;
  readonly #cache: CredentialCache;

  constructor(options: { store: Store }) {
    this.#store = options.store;
    this.#cache = new CredentialCache(options.store);
  }

  /**
   * A token of an agent, an enrolment key, or the binding of a principal or a certificate. The secret of the first two is in
   * the reply and nowhere else. A repeat issues another one: there is nothing by which it could show the secret again.
   *
   * @throws INVALID_REQUEST, AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already)
   */
  async issue(input: IssueCredentialInput): Promise<IssueCredentialReply> {
    const issue = parse(issueCredentialSchema, input);
    await this.#refuseIdleAdmin(issue);
    const credentialId = newId(this.#store.now());
    const secret =
      issue.kind === "token" || issue.kind === "enrolment" ? newSecret(issue.kind, credentialId) : undefined;
    const credential = await this.#store.issueCredential(toStored(issue, credentialId, secret?.secretHash));
    // A look-up of it may have found nothing a moment ago.
    if (secret === undefined) this.#cache.forget();
    return { credential, ...(secret !== undefined && { secret: secret.text }) };
  }

  /**
   * Creates the first admin with its token, in one transaction: of several calls at once, in any processes, one succeeds. Only for
   * callers with access to the database itself; no route leads here.
   *
   * @param agent a new or existing admin, with the fields that it is to have
   * @param again also while an admin has a valid credential
   * @throws INVALID_REQUEST; FORBIDDEN: an admin has a valid credential, or the agent has another role
   */
  async issueToFirstAdmin(
    agent: Omit<RegisterAgent, "role">,
    token: { label?: string | undefined; expiresInSeconds?: number | undefined },
    again: boolean,
  ): Promise<IssueCredentialReply> {
    const issue = parse(issueCredentialSchema, { ...token, kind: "token", agentId: agent.agentId });
    const credentialId = newId(this.#store.now());
    const { text, secretHash } = newSecret("token", credentialId);
    const { label, expiresInMilliseconds } = toStored(issue, credentialId, secretHash);
    const stored = { credentialId, secretHash, label, expiresInMilliseconds };
    const authority = { kind: "first_admin", token: stored, again } as const;
    await this.#store.registerAgent({ ...agent, role: "admin" }, authority);
    return { credential: await this.get(credentialId), secret: text };
  }

  /** An admin who is away for long must not find everybody locked out. @throws INVALID_REQUEST */
  async #refuseIdleAdmin(issue: IssueCredential): Promise<void> {
    if ((issue.kind !== "token" && issue.kind !== "certificate") || issue.idleDays === undefined) return;
    const { role } = await this.#store.getAgent(issue.agentId);
    if (role !== "admin") return;
    const detail = "idleDays: the credential of an admin cannot end through disuse; give expiresInSeconds instead.";
    throw new AgentCommunicationError("INVALID_REQUEST", detail);
  }

  /**
   * Another token of the same agent, with the label, bounds and length of life of the one that is shown. That one ends with the
   * first use of the new one; a repeat gives another, and the ones before stay valid for those that have them.
   *
   * @param credentialId of the token with which the agent asks
   * @throws UNAUTHENTICATED when it is not valid any more
   */
  async renew(credentialId: string): Promise<RenewTokenReply> {
    const newTokenId = newId(this.#store.now());
    const { text, secretHash } = newSecret("token", newTokenId);
    const token = { credentialId: newTokenId, secretHash };
    return { credential: await this.#store.renewToken({ credentialId, token }), token: text };
  }

  /** What is known of a credential by its id. @throws NOT_FOUND */
  async get(credentialId: string): Promise<Credential> {
    const found = await this.#store.findCredential({ credentialId });
    if (found === undefined) throw new AgentCommunicationError("NOT_FOUND", `There is no credential ${credentialId}.`);
    return found.credential;
  }

  /** Newest first, ended ones included until maintenance deletes them. @throws INVALID_REQUEST for a foreign cursor */
  async list(
    query: z.input<typeof listCredentialsQuerySchema> = {},
  ): Promise<{ credentials: Credential[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listCredentials(parse(listCredentialsQuerySchema, query));
    return { credentials: items, nextCursor };
  }

  /** For good; tokens that an enrolment key has brought stay valid. Repeating it changes nothing. @throws NOT_FOUND */
  async revoke(credentialId: string): Promise<Credential> {
    const credential = await this.#store.revokeCredential(parse(credentialIdSchema, credentialId, "credential id"));
    const hasSecret = credential.kind === "token" || credential.kind === "enrolment";
    this.#cache.forget(hasSecret ? { credentialId } : undefined);
    return credential;
  }

  /**
   * The agent whose token this is; undefined for anything but a valid token. Its first use is durable before this answers.
   *
   * @throws RATE_LIMITED when too many look-ups of unknown credentials wait; and what the store throws
   */
  async verifyToken(text: string, options: LookupOptions = {}): Promise<VerifiedAgent | undefined> {
    return this.verifyTokenSoon(text, options);
  }

  /**
   * As `verifyToken`, but at once, without a promise, for a token that was looked up in the last 5 s: nearly every request's
   * was, and each turn of the event loop costs it 1 to 2 µs.
   */
  verifyTokenSoon(
    text: string,
    options: LookupOptions = {},
  ): VerifiedAgent | undefined | Promise<VerifiedAgent | undefined> {
    const secret = parseSecret(text);
    if (secret?.kind !== "token") return undefined;
    const cached = options.anew === true ? undefined : this.#cache.known(secret.credentialId);
    if (cached === undefined) return this.#findToken(secret, options);
    return this.#isLive(cached) && hasSecret(cached, secret) ? this.#useOf(cached) : undefined;
  }

  async #findToken(secret: ParsedSecret, options: LookupOptions): Promise<VerifiedAgent | undefined> {
    const known = await this.#findBySecret(secret, options);
    return known === undefined ? undefined : this.#useOf(known);
  }

  /** Its agent, as soon as this use of it is noted as far as it has to be. */
  #useOf(known: KnownCredential): VerifiedAgent | undefined | Promise<VerifiedAgent | undefined> {
    const used = this.#use(known);
    if (typeof used === "boolean") return used ? verifiedAgent(known) : undefined;
    return used.then((live) => (live ? verifiedAgent(known) : undefined));
  }

  /** Whether a credential of this id is known here, valid or not. */
  isKnown(credentialId: string): boolean {
    return this.#cache.known(credentialId) !== undefined;
  }

  /** Maintenance has deleted credentials and agents: all that was read of them is read again. */
  forgetAll(): void {
    this.#cache.forget();
  }

  /** A registration or deregistration of this process counts at once. @param now undefined when it failed, or may have */
  agentChanged(agentId: string, now: Pick<Agent, "role" | "status"> | undefined): void {
    this.#cache.forgetAgent(agentId, now);
  }

  /** What this enrolment key may do; undefined for anything but a valid one. Using it is what registering does. */
  async verifyEnrolmentKey(text: string, options: LookupOptions = {}): Promise<VerifiedEnrolmentKey | undefined> {
    const secret = parseSecret(text);
    if (secret?.kind !== "enrolment") return undefined;
    const credential = (await this.#findBySecret(secret, options))?.found.credential;
    if (credential?.kind !== "enrolment") return undefined;
    const { credentialId, roles, agentIdPrefix } = credential;
    return { credentialId, roles, agentIdPrefix, ...boundsOf(credential) };
  }

  /** @param objectId the `oid` of a verified access token */
  async findPrincipal(objectId: string, options: LookupOptions = {}): Promise<BoundPrincipal | undefined> {
    const parsed = objectIdSchema.safeParse(objectId);
    const known = parsed.success ? await this.#findLive({ objectId: parsed.data }, options) : undefined;
    const credential = known?.found.credential;
    if (known === undefined || credential?.kind !== "principal" || !(await this.#use(known))) return undefined;
    const { credentialId, agentIds, agentIdPrefix } = credential;
    return { credentialId, agentIds, agentIdPrefix, ...boundsOf(credential) };
  }

  /**
   * The agent to which a verified certificate is bound, by its thumbprint, or else by its subject.
   *
   * @param certificate.thumbprint SHA-256 in lower-case hexadecimal
   * @param certificate.subject the distinguished name as RFC 4514 has it
   */
  async findCertificate(
    certificate: { thumbprint: string; subject: string },
    options: LookupOptions = {},
  ): Promise<VerifiedAgent | undefined> {
    const known = await this.#findLive(certificate, options);
    return known === undefined ? undefined : this.#useOf(known);
  }

  async #findBySecret(secret: ParsedSecret, options: LookupOptions): Promise<KnownCredential | undefined> {
    const known = await this.#findLive({ credentialId: secret.credentialId }, options);
    return known !== undefined && hasSecret(known, secret) ? known : undefined;
  }

  async #findLive(lookup: CredentialLookup, options: LookupOptions): Promise<KnownCredential | undefined> {
    const known = await this.#cache.find(lookup, options);
    return known !== undefined && this.#isLive(known) ? known : undefined;
  }

  /** Neither revoked nor expired, nor out of use for too long. */
  #isLive({ revoked, expiresAt, lastUsedAt, createdAt, idleMilliseconds }: KnownCredential): boolean {
    if (revoked) return false;
    const now = this.#store.now();
    return expiresAt > now && (lastUsedAt ?? createdAt) + idleMilliseconds > now;
  }

  /**
   * Notes a use. The first one is waited for: until then the token may be replaced by a repeated enrolment, and of the two
   * only one may count. Later ones are written beside the call, for people to read.
   */
  #use(known: KnownCredential): boolean | Promise<boolean> {
    const { credentialId } = known.found.credential;
    const now = this.#store.now();
    const { lastUsedAt } = known;
    if (lastUsedAt === undefined) {
      known.firstUse ??= this.#recordUse(known, credentialId, now).finally(() => {
        known.firstUse = undefined;
      });
      return known.firstUse;
    }
    if (now - lastUsedAt >= CREDENTIAL_USE_MILLISECONDS) {
      known.lastUsedAt = now;
      this.#recordUse(known, credentialId, now).catch(() => {
        // The next use writes it.
        known.lastUsedAt = lastUsedAt;
      });
    }
    return true;
  }

  async #recordUse(known: KnownCredential, credentialId: string, now: number): Promise<boolean> {
    const live = await this.#store.recordCredentialUse([credentialId]);
    if (live.length > 0) known.lastUsedAt = now;
    else known.revoked = true;
    const { credential } = known.found;
    // The first use of a renewal has ended the token that was renewed.
    if (credential.kind === "token" && credential.renews !== undefined) {
      this.#cache.forget({ credentialId: credential.renews });
    }
    return live.length > 0;
  }
}

/** Nothing where anything may be registered. */
function boundsOf({ capabilities, maxConcurrentTasks }: Credential): { bounds?: RegistrationBounds } {
  if (capabilities === undefined && maxConcurrentTasks === undefined) return {};
  return { bounds: { capabilities, maxConcurrentTasks } };
}

function hasSecret({ found: { secretHash, credential } }: KnownCredential, secret: ParsedSecret): boolean {
  return secretHash !== undefined && credential.kind === secret.kind && sameHash(secretHash, secret.secretHash);
}

function verifiedAgent(known: KnownCredential): VerifiedAgent | undefined {
  const { credential, agent } = known.found;
  if (agent === undefined) return undefined;
  known.agent ??= {
    credentialId: credential.credentialId,
    agentId: agent.agentId,
    role: agent.role,
    agentStatus: agent.status,
    ...boundsOf(credential),
  };
  return known.agent;
}

function toStored(issue: IssueCredential, credentialId: string, secretHash: string | undefined): NewCredential {
  if (issue.kind !== "token" && issue.kind !== "enrolment") return { ...issue, credentialId };
  const { expiresInSeconds, ...rest } = issue;
  const expiresInMilliseconds = expiresInSeconds === undefined ? undefined : Math.round(expiresInSeconds * 1_000);
  return { ...rest, credentialId, secretHash, expiresInMilliseconds };
}
