import { Agent, fetch } from "undici";
import type { Fetch } from "./transport.ts";

/** A fetch of one's own TLS: with a client certificate, or for a server of one's own authority. Node only. */

/** PEM texts. */
export interface TlsOptions {
  /** The client certificate, with those between it and the root; with `key`. */
  certificate?: string | undefined;
  key?: string | undefined;
  /** Of an encrypted key. */
  passphrase?: string | undefined;
  /** Authorities that servers are checked by, instead of the public ones. */
  authority?: string | undefined;
}

/**
 * Makes the `fetch` of a client. Connections are kept and used again; idle ones do not keep the process alive.
 *
 * @example
 * const fetch = tlsFetch({ certificate: await readFile("blue-1.pem", "utf8"), key: await readFile("blue-1-key.pem", "utf8") });
 * const client = new AgentClient({ baseUrl: "https://agents.example/api", fetch });
 */
export function tlsFetch({ certificate, key, passphrase, authority }: TlsOptions): Fetch {
  const connect = {
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
    ...(passphrase !== undefined && { passphrase }),
    ...(authority !== undefined && { ca: authority }),
  };
  const dispatcher = new Agent({ connect });
  // The global fetch may be of another version than the agent, so its own goes with it.
  return (url, { headers, ...init }) => fetch(url, { ...init, headers: Object.fromEntries(headers), dispatcher });
}
