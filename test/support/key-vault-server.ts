import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { TestAuthority } from "./certificates.ts";

/**
 * A server that speaks as much of the REST API of Azure Key Vault's secrets as is needed to read them, over TLS with a
 * certificate of its own authority, and the endpoint by which Azure gives a managed identity its tokens. It wants a token for
 * everything, and tells those who come without one where to get it.
 *
 * https://learn.microsoft.com/rest/api/keyvault/secrets
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */

interface Version {
  version: string;
  value: string;
  enabled: boolean;
  /** Seconds since the epoch. */
  created: number;
  notBefore: number | undefined;
}

interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

const RESOURCE = "https://vault.azure.net";
const TOKEN = "a-token-of-the-test";
const IDENTITY_HEADER = "the-identity-of-the-test";
/** As many as a vault gives at once, divided by twelve. */
const PAGE = 2;

/** A later second for each version, however fast a test makes them. */
let seconds = 1_700_000_000;
let versions = 0;

export class KeyVaultServer {
  readonly #vault: Server;
  readonly #identity: Server;
  readonly #folder: string;
  readonly #secrets = new Map<string, Version[]>();
  /** Refuses connections that there are, and new ones: what a network failure looks like. */
  away = false;
  /** Takes requests, and never answers. */
  silent = false;
  /** Requests that it has refused so, or not answered. */
  refused = 0;
  /** Paths that were asked for with a token. */
  readonly asked: string[] = [];
  readonly authority: string;

  private constructor(vault: Server, identity: Server, folder: string, authority: string) {
    this.#vault = vault;
    this.#identity = identity;
    this.#folder = folder;
    this.authority = authority;
  }

  static async start(): Promise<KeyVaultServer> {
    const authority = await TestAuthority.create("CN=Key vault authority");
    const { certificate, key } = await authority.server();
    const folder = await mkdtemp(join(tmpdir(), "agent-communication-vault-"));
    await writeFile(join(folder, "authority.pem"), authority.certificate);
    const vault = createHttpsServer({ cert: certificate, key });
    const identity = createHttpServer();
    const server = new KeyVaultServer(vault, identity, folder, authority.certificate);
    vault.on("request", (request, response) => server.#answer(request, response));
    identity.on("request", (request, response) => giveToken(request, response));
    vault.listen(0, "127.0.0.1");
    identity.listen(0, "127.0.0.1");
    await Promise.all([once(vault, "listening"), once(identity, "listening")]);
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${portOf(this.#vault)}`;
  }

  /** What a process needs to reach it: settings, and where its identity and trust come from. */
  get environment(): Record<string, string> {
    return {
      AZURE_KEY_VAULT_URL: this.url,
      IDENTITY_ENDPOINT: `http://127.0.0.1:${portOf(this.#identity)}/msi/token`,
      IDENTITY_HEADER,
      NODE_EXTRA_CA_CERTS: join(this.#folder, "authority.pem"),
    };
  }

  /** Lets the test's own process reach it, too. @returns undoes that */
  trustHere(): () => void {
    const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = this.environment;
    const before = getCACertificates();
    setDefaultCACertificates([...before, this.authority]);
    Object.assign(process.env, { IDENTITY_ENDPOINT, IDENTITY_HEADER });
    return () => {
      setDefaultCACertificates(before);
      delete process.env.IDENTITY_ENDPOINT;
      delete process.env.IDENTITY_HEADER;
    };
  }

  /** Adds a version to a secret, which becomes its newest unless it was made earlier than the last. @returns its name */
  add(
    name: string,
    value: string,
    options: { enabled?: boolean; notBefore?: number; secondsEarlier?: number } = {},
  ): string {
    const { enabled = true, notBefore, secondsEarlier = 0 } = options;
    versions += 1;
    seconds += 1;
    // Names have no order in time.
    const version = `${((versions * 7) % 16).toString(16)}${versions.toString(16).padStart(31, "0")}`;
    const known = this.#secrets.get(name) ?? [];
    known.push({ version, value, enabled, created: seconds - secondsEarlier, notBefore });
    this.#secrets.set(name, known);
    return version;
  }

  enable(name: string, version: string, enabled: boolean): void {
    for (const one of this.#secrets.get(name) ?? []) if (one.version === version) one.enabled = enabled;
  }

  async stop(): Promise<void> {
    for (const server of [this.#vault, this.#identity]) {
      server.close();
      server.closeAllConnections();
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.away || this.silent) this.refused += 1;
    if (this.silent) return;
    if (this.away) {
      request.socket.destroy();
      return;
    }
    const { status, body, headers = {} } = this.#reply(request);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  }

  #reply(request: IncomingMessage): Reply {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      const challenge = `Bearer authorization="https://login.microsoftonline.com/a-tenant", resource="${RESOURCE}"`;
      return { ...refusal(401, "Unauthorized"), headers: { "www-authenticate": challenge } };
    }
    const url = new URL(request.url ?? "", this.url);
    this.asked.push(url.pathname);
    const [, collection, name = "", version = ""] = url.pathname.split("/");
    if (request.method !== "GET" || collection !== "secrets") return refusal(404, "NotFound");
    if (!url.searchParams.has("api-version")) return refusal(400, "BadParameter");
    const known = this.#secrets.get(name);
    if (known === undefined) return refusal(404, "SecretNotFound");
    return version === "versions" ? this.#list(name, known, url) : this.#read(name, known, version);
  }

  #list(name: string, known: readonly Version[], url: URL): Reply {
    const from = Number(url.searchParams.get("skip") ?? 0);
    const value = known.slice(from, from + PAGE).map((one) => ({ ...this.#describe(name, one) }));
    const next = new URL(url);
    next.searchParams.set("skip", String(from + PAGE));
    return { status: 200, body: { value, nextLink: from + PAGE < known.length ? next.href : null } };
  }

  #read(name: string, known: readonly Version[], version: string): Reply {
    const found = version === "" ? known.at(-1) : known.find((one) => one.version === version);
    if (found === undefined) return refusal(404, "SecretNotFound");
    if (!found.enabled) return refusal(403, "Forbidden", "SecretDisabled");
    return { status: 200, body: { ...this.#describe(name, found), value: found.value } };
  }

  #describe(name: string, { version, enabled, created, notBefore }: Version) {
    const attributes = { enabled, created, updated: created, ...(notBefore !== undefined && { nbf: notBefore }) };
    return { id: `${this.url}/secrets/${name}/${version}`, attributes };
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function refusal(status: number, code: string, inner?: string): Reply {
  const innererror = inner === undefined ? {} : { innererror: { code: inner } };
  return { status, body: { error: { code, message: `The test says ${code}.`, ...innererror } } };
}

function giveToken(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "", "http://127.0.0.1");
  const isOurs = request.headers["x-identity-header"] === IDENTITY_HEADER;
  const isVault = (url.searchParams.get("resource") ?? "").startsWith(RESOURCE);
  response.writeHead(isOurs && isVault ? 200 : 401, { "content-type": "application/json" });
  const expires_on = String(Math.floor(Date.now() / 1_000) + 3_600);
  response.end(JSON.stringify({ access_token: TOKEN, expires_on, resource: RESOURCE, token_type: "Bearer" }));
}
