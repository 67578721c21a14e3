import type { AccessToken, GetTokenOptions, TokenCredential } from "@azure/identity";
import type { AzureLogin } from "../config/azure-login.ts";
import type { Clock } from "../model/clock.ts";

/** Entra ID logins, to the database and to a key vault. */

/** A token is used until so long before its end: a login takes seconds, and the server checks the token then only. */
const RENEW_BEFORE_MILLISECONDS = 120_000;

/** What gives the tokens. @azure/identity is loaded only here, by those who need it. */
export async function credentialOf(login: AzureLogin): Promise<TokenCredential> {
  const identity = await import("@azure/identity");
  switch (login.type) {
    case "managed-identity": {
      const { clientId } = login;
      return new identity.ManagedIdentityCredential(clientId === undefined ? {} : { clientId });
    }
    case "service-principal": {
      const { tenantId, clientId, clientSecret } = login;
      return new identity.ClientSecretCredential(tenantId, clientId, clientSecret);
    }
    case "interactive": {
      const { username, tenantId } = login;
      const options = { ...(username && { loginHint: username }), ...(tenantId && { tenantId }) };
      return new identity.InteractiveBrowserCredential(options);
    }
    case "default": {
      const { clientId, tenantId } = login;
      const options = { ...(clientId && { managedIdentityClientId: clientId }), ...(tenantId && { tenantId }) };
      return new identity.DefaultAzureCredential(options);
    }
  }
}

/**
 * One token for all connections of a pool that opens: the developer's credentials start a process or a browser for every
 * token that they are asked for, and the platform's endpoint for identities refuses too many questions at once.
 */
export class SharedTokens implements TokenCredential {
  readonly #inner: TokenCredential;
  readonly #clock: Clock;
  readonly #tokens = new Map<string, Promise<AccessToken | null>>();

  constructor(inner: TokenCredential, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  /** A failure is shared by those who waited for the same answer; the next call asks again. */
  async getToken(scopes: string | string[], options?: GetTokenOptions): Promise<AccessToken | null> {
    const key = JSON.stringify(scopes);
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known;
      if (token !== null && token.expiresOnTimestamp - RENEW_BEFORE_MILLISECONDS > this.#clock.now()) return token;
      if (this.#tokens.get(key) === known) this.#tokens.delete(key);
    }
    return this.#tokens.get(key) ?? this.#ask(key, scopes, options);
  }

  #ask(key: string, scopes: string | string[], options?: GetTokenOptions): Promise<AccessToken | null> {
    const asked = this.#inner.getToken(scopes, options);
    this.#tokens.set(key, asked);
    asked.catch(() => this.#tokens.delete(key));
    return asked;
  }
}
