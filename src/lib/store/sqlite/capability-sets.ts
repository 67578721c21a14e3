import { canonicalCapabilities, expandCapabilities } from "../capabilities.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Capability sets of agents and demands of tasks, interned, with a table of which set meets which demand. New pairs are
 * worked out once, when a set or a demand is seen for the first time.
 */

/** The number of a capability set, made and matched with every demand when it is new. */
export function internCapabilitySet(transaction: Transaction, capabilities: readonly string[]): number {
  const text = JSON.stringify(canonicalCapabilities(capabilities));
  const sql = "SELECT set_no FROM capability_sets WHERE capabilities = ?";
  const known = transaction.get<{ set_no: number }>(sql, text);
  if (known !== undefined) return known.set_no;
  const setNo = transaction.run("INSERT INTO capability_sets (capabilities) VALUES (?)", text).lastInsertRowid;
  for (const capability of expandCapabilities(capabilities)) {
    transaction.run("INSERT INTO set_capabilities VALUES (?, ?)", capability, setNo);
  }
  // Every demand whose capabilities are all among the set's; the empty demand always is.
  transaction.run(
    `INSERT INTO demand_sets (demand_no, set_no)
     SELECT demand_no, ?1 FROM demands
     WHERE NOT EXISTS (
       SELECT 1 FROM json_each(demands.capabilities) AS needed
       WHERE NOT EXISTS (SELECT 1 FROM set_capabilities WHERE capability = needed.value AND set_no = ?1))`,
    setNo,
  );
  return setNo;
}

/** The number of a demand, made and matched with every set when it is new. */
export function internDemand(transaction: Transaction, capabilities: readonly string[]): number {
  const needed = canonicalCapabilities(capabilities);
  const text = JSON.stringify(needed);
  const known = findDemand(transaction, needed);
  if (known !== undefined) return known;
  const demandNo = transaction.run("INSERT INTO demands (capabilities) VALUES (?)", text).lastInsertRowid;
  for (const setNo of setsThatMeet(transaction, needed)) {
    transaction.run("INSERT INTO demand_sets (demand_no, set_no) VALUES (?, ?)", demandNo, setNo);
  }
  return demandNo;
}

/** The number of a known demand: for previews, which write nothing. */
export function findDemand(transaction: Transaction, capabilities: readonly string[]): number | undefined {
  const sql = "SELECT demand_no FROM demands WHERE capabilities = ?";
  return transaction.get<{ demand_no: number }>(sql, JSON.stringify(canonicalCapabilities(capabilities)))?.demand_no;
}

/** Sets that meet a demand, found through its rarest capability, so that a demand few can meet costs little. */
export function setsThatMeet(transaction: Transaction, capabilities: readonly string[]): number[] {
  const needed = canonicalCapabilities(capabilities);
  if (needed.length === 0) {
    return transaction.all<{ set_no: number }>("SELECT set_no FROM capability_sets").map((row) => row.set_no);
  }
  let rarest: number[] | undefined;
  for (const capability of needed) {
    const sql = "SELECT set_no FROM set_capabilities WHERE capability = ?";
    const sets = transaction.all<{ set_no: number }>(sql, capability).map((row) => row.set_no);
    if (rarest === undefined || sets.length < rarest.length) rarest = sets;
  }
  const holds = "SELECT 1 FROM set_capabilities WHERE capability = ? AND set_no = ?";
  return (rarest ?? []).filter((setNo) =>
    needed.every((capability) => transaction.get(holds, capability, setNo) !== undefined),
  );
}

/** The capabilities of a set, sorted. */
export function capabilitiesOfSet(transaction: Transaction, setNo: number): string[] {
  const sql = "SELECT capabilities FROM capability_sets WHERE set_no = ?";
  const row = transaction.get<{ capabilities: string }>(sql, setNo);
  return row === undefined ? [] : (JSON.parse(row.capabilities) as string[]);
}
