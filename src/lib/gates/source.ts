import { isIPv6 } from "node:net";
import type { Approach } from "./gate.ts";

/** Where a request comes from, for limits per source. */

/** What stands for a source that nothing is known about: all of those share one limit. */
const UNKNOWN = "unknown";

/** `1.2.3.4:56789`, `[::1]:56789` and `::ffff:1.2.3.4`, as front ends and sockets write addresses. */
const WITH_PORT = /^(?:\[([0-9a-f:.]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/i;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** The longest text that is an address; longer ones are nobody's. */
const ADDRESS_MAX_CHARACTERS = 64;

/** The eight groups of an IPv6 address, those that `::` stands for included. */
function groupsOf(address: string): string[] {
  const [head = "", tail] = address.split("::", 2);
  const before = head === "" ? [] : head.split(":");
  if (tail === undefined) return before;
  const after = tail === "" ? [] : tail.split(":");
  return [...before, ...Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0"), ...after];
}

/** Callers of IPv6 have a /64 at least, so its addresses are one source. */
function networkOf(address: string): string {
  const groups = groupsOf(address).slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}

/** Spellings seen before: telling an IPv6 address from others takes 2 µs, of each request. Beyond, the memory starts anew. */
const known = new Map<string, string>();
const KNOWN_MAX = 1_000;

/** One spelling for each source. */
function normalised(text: string): string {
  const before = known.get(text);
  if (before !== undefined) return before;
  const source = normalise(text);
  if (text.length > ADDRESS_MAX_CHARACTERS) return source;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(text, source);
  return source;
}

function normalise(text: string): string {
  if (text === "" || text.length > ADDRESS_MAX_CHARACTERS) return UNKNOWN;
  const [, bracketed, dotted] = WITH_PORT.exec(text) ?? [];
  const address = (bracketed ?? dotted ?? text).toLowerCase();
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? networkOf(address) : address;
}

/** The source that the address of a socket stands for. */
export function sourceOfAddress(address: string | undefined): string {
  return normalised(address ?? "");
}

/**
 * The source of a request.
 *
 * Each proxy adds the address that called it to the end of X-Forwarded-For; so of `trustedProxies` of them, the entry that
 * many from the end is what the outermost saw, and whatever stands before that the caller may have made up.
 *
 * @example
 * sourceOf(approach, 0); // the address of the socket
 * sourceOf(approach, 1); // "203.0.113.7" of "X-Forwarded-For: 10.9.8.7, 203.0.113.7:51234"
 */
export function sourceOf(approach: Approach, trustedProxies: number): string {
  if (trustedProxies > 0) {
    const hops = (approach.header("x-forwarded-for") ?? "").split(",");
    const hop = hops.at(-trustedProxies);
    // Fewer entries than proxies: somebody reached us past them, so the socket is asked.
    if (hop !== undefined && hop.trim() !== "") return normalised(hop.trim());
  }
  return sourceOfAddress(approach.remoteAddress());
}
