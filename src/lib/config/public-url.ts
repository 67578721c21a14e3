import { isLoopback } from "./platform.ts";

/** `AGENT_PUBLIC_URL`: the origin under which callers reach the service. */

/**
 * Reads the setting.
 *
 * @param text as it was given: `https://agents.example`, with or without a slash at its end; http for a loopback name only
 * @param problems what is wrong with it is added here, a line
 * @returns the origin, without a slash; undefined when it is not given, or wrong
 * @example
 * readPublicUrl("https://Agents.example:8443/", problems); // "https://agents.example:8443"
 */
export function readPublicUrl(text: string | undefined, problems: string[]): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const trusted = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  // A path, a query, a fragment or a user would each be in the address.
  if (url !== undefined && trusted && url.href === `${url.origin}/`) return url.origin;
  problems.push("AGENT_PUBLIC_URL: must be https://host without a path (http for a loopback address only)");
  return undefined;
}

/**
 * The origin of this service: the only source of absolute URLs that it writes. Host and X-Forwarded-Host never are, since callers write
 * them. Without the setting it is the address that the host listens on, where that is a loopback address; elsewhere there is none.
 */
export class PublicUrl {
  #origin: string | undefined;

  /** @param configured the setting */
  constructor(configured: string | undefined) {
    this.#origin = configured;
  }

  /** Without a path or a slash at its end: `https://agents.example`. */
  get origin(): string | undefined {
    return this.#origin;
  }

  /**
   * Told by a host where it listens.
   *
   * @param url `http://127.0.0.1:7071`, whatever its path
   */
  listensOn(url: string): void {
    if (this.#origin !== undefined || !URL.canParse(url)) return;
    const { hostname, origin } = new URL(url);
    if (isLoopback(hostname)) this.#origin = origin;
  }
}
