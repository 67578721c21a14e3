import { requestHash } from "../model/ids.ts";

/** Capability sets of agents and demands of tasks, as both engines compare them. */

/** The list as a set: sorted, without repeats. */
export function canonicalCapabilities(capabilities: readonly string[]): string[] {
  return [...new Set(capabilities)].sort();
}

/** What a capability answers to: itself, and for `name@version` also `name`. */
function answersTo(capability: string): string[] {
  const at = capability.indexOf("@");
  return at > 0 ? [capability, capability.slice(0, at)] : [capability];
}

/** Everything that a set answers to. */
export function expandCapabilities(capabilities: readonly string[]): Set<string> {
  return new Set(capabilities.flatMap(answersTo));
}

/** SHA-256 of the canonical set's JSON text: the text itself, of up to 8,400 bytes, is too long for an index key. */
export function capabilitiesHash(capabilities: readonly string[]): string {
  return requestHash(canonicalCapabilities(capabilities));
}
