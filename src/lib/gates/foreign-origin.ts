import { AgentCommunicationError } from "../model/errors.ts";

/**
 * Requests that a web page of somebody else makes through its visitor's browser. No reply of ours lets such a page read
 * anything (there is no CORS), and it cannot send application/json; but a request without a body can be a deed as well. So
 * where a browser would prove its user by itself (nobody is asked on loopback; a client certificate) its page is looked at.
 */

/**
 * The stricter rule of the faces that a browser may well call (MCP asks for it: DNS rebinding), in every authentication mode.
 *
 * @param publicOrigin the origin of this service, as PublicUrl has it
 * @throws FORBIDDEN when the request names an Origin that is neither this service's own nor that of its Host; programs name none
 */
export function refuseForeignOrigin(
  header: (name: string) => string | undefined,
  publicOrigin: string | undefined,
): void {
  const origin = header("origin")?.toLowerCase();
  if (origin === undefined || origin === publicOrigin || isOfHost(origin, header)) return;
  throw new AgentCommunicationError("FORBIDDEN", "Requests from web pages of another origin are refused.");
}

function isOfHost(origin: string, header: (name: string) => string | undefined): boolean {
  const host = (header("host") ?? "").toLowerCase();
  return host !== "" && (origin === `http://${host}` || origin === `https://${host}`);
}

/** What `Sec-Fetch-Site` says of the user's own doing, and of pages of this very origin. */
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

/** Whether a browser says that a page of another origin makes the request. Programs say nothing. */
export function isOfForeignPage(header: (name: string) => string | undefined): boolean {
  const site = header("sec-fetch-site");
  // A link that somebody follows to us reads for its reader alone; a form that is sent along names its origin.
  const followed = header("sec-fetch-mode") === "navigate";
  if (site !== undefined && !followed && !OWN_SITES.has(site.toLowerCase())) return true;
  const origin = header("origin")?.toLowerCase();
  return origin !== undefined && !isOfHost(origin, header);
}
