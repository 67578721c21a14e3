import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** A tenant of Entra ID on this machine: a real HTTP server with a real key set, and tokens that are signed with its keys. */

interface Key {
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

async function newKey(): Promise<Key> {
  return { kid: randomUUID(), ...(await generateKeyPair("RS256", { extractable: true })) };
}

/** How a token is to differ from a good one. */
export interface TokenChanges {
  /** Claims in place of the usual ones; undefined takes one away. */
  claims?: Readonly<Record<string, unknown>>;
  header?: Readonly<Record<string, unknown>>;
  /** Signed with this in place of the issuer's key. */
  key?: CryptoKey | Uint8Array;
  /** Seconds from now. */
  expiresIn?: number;
  notBefore?: number;
}

export class EntraIssuer {
  readonly tenant: string = randomUUID();
  readonly audience: string = randomUUID();
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  /** What the server answers in place of the keys. */
  broken: { status: number; body: string } | undefined;
  authority = "";
  #server: Server;
  #keys: Key[] = [];
  #keySet = "";

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<EntraIssuer> {
    const server = createServer((request, response) => {
      issuer.asked.push(request.url ?? "");
      const { status, body } = issuer.broken ?? { status: 200, body: issuer.#keySet };
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    });
    // A failing test ends all the same.
    server.unref();
    const issuer = new EntraIssuer(server);
    await issuer.rotate();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    issuer.authority = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return issuer;
  }

  /** The settings of a service that believes this tenant. */
  get settings(): Record<string, string> {
    return {
      AGENT_ENTRA_TENANT: this.tenant,
      AGENT_ENTRA_AUDIENCE: this.audience,
      AGENT_ENTRA_AUTHORITY: this.authority,
    };
  }

  get publicKey(): CryptoKey {
    return this.#current.publicKey;
  }

  get keyId(): string {
    return this.#current.kid;
  }

  get #current(): Key {
    const key = this.#keys.at(-1);
    if (key === undefined) throw new Error("an issuer has a key");
    return key;
  }

  /** Signs with a new key from now on; the old ones stay in the set. */
  async rotate(): Promise<void> {
    this.#keys.push(await newKey());
    const keys = this.#keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, use: "sig" }));
    this.#keySet = JSON.stringify({ keys: await Promise.all(keys) });
  }

  /** An application's token, with what Entra ID puts into one. */
  async token(objectId: string, roles: readonly string[], changes: TokenChanges = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const payload: JWTPayload = {
      aud: this.audience,
      iss: `${this.authority}/${this.tenant}/v2.0`,
      iat: now,
      nbf: now + (changes.notBefore ?? 0),
      exp: now + (changes.expiresIn ?? 3_600),
      azp: randomUUID(),
      azpacr: "1",
      idtyp: "app",
      oid: objectId,
      sub: objectId,
      tid: this.tenant,
      roles,
      ver: "2.0",
      ...changes.claims,
    };
    const header = { typ: "JWT", alg: "RS256", kid: this.keyId, ...changes.header };
    const key = changes.key ?? this.#current.privateKey;
    return new SignJWT(payload).setProtectedHeader(header).sign(key, { crit: { exp2: true } });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
