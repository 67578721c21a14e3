import { canonicalCapabilities, capabilitiesHash } from "../capabilities.ts";

/**
 * Capability sets of agents and demands of tasks, interned, with a table of which set meets which demand. New pairs are
 * worked out once, when a set or a demand is seen for the first time.
 *
 * A set and a demand made by two sessions at once would each miss the other: neither is committed when the other looks. So
 * whoever makes one holds the application lock "capabilities" until the commit and looks after taking it. Known sets and
 * demands, that is nearly every call, take no lock.
 */

/** A set or demand inside an item: its number is found by the hash; the capabilities, sorted, are an array. */
export function encodeCapabilities(capabilities: readonly string[]): {
  capabilitiesHash: string;
  capabilities: string[];
} {
  return { capabilitiesHash: capabilitiesHash(capabilities), capabilities: canonicalCapabilities(capabilities) };
}
