import { isLoopback } from "../config/platform.ts";
import type { Caller } from "../gates/caller.ts";
import { isOfForeignPage } from "../gates/foreign-origin.ts";
import type { Gate } from "../gates/gate.ts";
import { refuseForwardedCertificate } from "../gates/presented-credential.ts";
import { AgentCommunicationError } from "../model/errors.ts";

/**
 * The rules of authentication mode `none`: whoever reaches the loopback address is believed, so a web page in a browser
 * of this machine must not be able to. It can reach us under a name of its own (DNS rebinding: the Host header gives it
 * away) or from its own origin (the Origin header does; and without a preflight, which we never grant, a page cannot
 * send application/json).
 */

const HOST = /^(\[[0-9a-f:.]+\]|[^:\s]+)(?::\d{1,5})?$/i;

function hostIsLoopback(host: string): boolean {
  const name = HOST.exec(host)?.[1];
  return name !== undefined && isLoopback(name);
}

/** Hosts found good, so that the usual request costs one look-up. A handful: every spelling of loopback and port. */
const knownHosts = new Set<string>();
const KNOWN_HOSTS_MAX = 100;

/** @throws FORBIDDEN */
export function refuseForeignCaller(header: (name: string) => string | undefined): void {
  const host = header("host") ?? "";
  if (!knownHosts.has(host)) {
    if (!hostIsLoopback(host)) {
      const detail = "Without authentication, only requests to a loopback name (localhost, 127.0.0.1) are accepted.";
      throw new AgentCommunicationError("FORBIDDEN", detail);
    }
    if (knownHosts.size < KNOWN_HOSTS_MAX) knownHosts.add(host);
  }
  if (isOfForeignPage(header)) {
    const detail = "Without authentication, requests from web pages of another origin are refused.";
    throw new AgentCommunicationError("FORBIDDEN", detail);
  }
}

const BELIEVED: Caller = { kind: "believed" };

/** The gate of authentication mode `none`. There are no limits: all callers are this machine's. */
export const openGate: Gate = {
  admit(approach) {
    refuseForeignCaller(approach.header);
    refuseForwardedCertificate(approach, undefined);
    return BELIEVED;
  },
};
