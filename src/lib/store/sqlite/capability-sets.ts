import { canonicalCapabilities, expandCapabilities } from "../capabilities.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Capability sets of agents and demands of tasks, interned, with a table of which set meets which demand. New pairs are
 * worked out when a set gets its first worker, or a demand is seen for the first time.
 */

/** The number of a capability set, made when it is new. It is matched with demands once it has a worker. */
export function internCapabilitySet(transaction: Transaction, capabilities: readonly string[]): number {
  const text = JSON.stringify(canonicalCapabilities(capabilities));
  const sql = "SELECT set_no FROM capability_sets WHERE capabilities = ?";
  const known = transaction.get<{ set_no: number }>(sql, text);
  if (known !== undefined) return known.set_no;
  const setNo = transaction.run("INSERT INTO capability_sets (capabilities) VALUES (?)", text).lastInsertRowid;
  for (const capability of expandCapabilities(capabilities)) {
    transaction.run("INSERT INTO set_capabilities VALUES (?, ?)", capability, setNo);
  }
  return setNo;
}

/** Matches a set that has its first worker with every demand that it meets. */
export function matchSet(transaction: Transaction, setNo: number): void {
  // Every demand whose capabilities are all among the set's; the empty demand always is.
  transaction.run(
    `INSERT INTO demand_sets (demand_no, set_no)
     SELECT demand_no, ?1 FROM demands
     WHERE NOT EXISTS (
       SELECT 1 FROM json_each(demands.capabilities) AS needed
       WHERE NOT EXISTS (SELECT 1 FROM set_capabilities WHERE capability = needed.value AND set_no = ?1))`,
    setNo,
  );
}

/** A set that has lost its last worker: it costs assignments nothing. */
export function unmatchSet(transaction: Transaction, setNo: number): void {
  transaction.run("DELETE FROM demand_sets WHERE set_no = ?", setNo);
}

/**
 * Drops a set that no agent has any more, not even a deregistered one. An agent may register with another set each time: what it
 * leaves behind must not wait for the daily maintenance.
 */
export function dropSetIfUnused(transaction: Transaction, setNo: number): void {
  if (transaction.get("SELECT 1 FROM agents WHERE set_no = ? LIMIT 1", setNo) !== undefined) return;
  transaction.run("DELETE FROM capability_sets WHERE set_no = ?", setNo);
}

/** The number of a demand, made and matched with every set that has workers when it is new. */
export function internDemand(transaction: Transaction, capabilities: readonly string[]): number {
  const needed = canonicalCapabilities(capabilities);
  const text = JSON.stringify(needed);
  const demandNo = transaction.demandNos.get(text) ?? findDemand(transaction, needed) ?? addDemand(transaction, needed);
  transaction.demandNos.set(text, demandNo);
  return demandNo;
}

function addDemand(transaction: Transaction, needed: readonly string[]): number {
  const text = JSON.stringify(needed);
  const demandNo = transaction.run("INSERT INTO demands (capabilities) VALUES (?)", text).lastInsertRowid;
  for (const setNo of workingSetsThatMeet(transaction, needed)) {
    transaction.run("INSERT INTO demand_sets (demand_no, set_no) VALUES (?, ?)", demandNo, setNo);
  }
  return demandNo;
}

/** The number of a known demand: for previews, which write nothing. */
export function findDemand(transaction: Transaction, capabilities: readonly string[]): number | undefined {
  const sql = "SELECT demand_no FROM demands WHERE capabilities = ?";
  return transaction.get<{ demand_no: number }>(sql, JSON.stringify(canonicalCapabilities(capabilities)))?.demand_no;
}

const WORKING = "SELECT 1 FROM capability_sets WHERE set_no = ? AND workers > 0";
const ALL_WORKING = "SELECT set_no FROM capability_sets INDEXED BY capability_sets_working WHERE workers > 0";

/** As `setsThatMeet`, of those that have workers. */
export function workingSetsThatMeet(transaction: Transaction, capabilities: readonly string[]): number[] {
  if (capabilities.length === 0) return transaction.all<{ set_no: number }>(ALL_WORKING).map((row) => row.set_no);
  return setsThatMeet(transaction, capabilities).filter((setNo) => transaction.get(WORKING, setNo) !== undefined);
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
