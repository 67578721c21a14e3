import { LARGE, type Size } from "../../scripts/query-plans/fill.ts";
import type { Store } from "../../src/lib/store/store.ts";
import { whole } from "../figures.ts";
import { benchCallers, CALLERS, mailboxOf } from "./callers.ts";
import { dropDatabase, engine, makeBefore, makeDatabase, openBench, sizeOf } from "./databases.ts";
import { benchFlat } from "./flat.ts";
import { benchPairs } from "./pairs.ts";
import { benchWaiting } from "./waiting.ts";

/**
 * `npm run bench -- --store sql [--rounds 5] [--only pairs,callers,flat,workflow] [--messages 1000000] [--large <database>]
 * [--against <checkout>]`: the Azure SQL store on the server that AZURE_SQL_* name. Makes databases of its own there (the login must be allowed to) and drops
 * them; `--large` names one that `npm run query-plans` has filled, which is used as it is and stays.
 */

const SMALL: Size = { agents: 10, messages: 1_000, tasks: 100, running: 1, waiting: 10, behind: 0 };
/** Calls of one process that share a batch need two sessions of each verb. */
const SESSIONS = 4;

/** Who sends and receives where callers are measured; none of them takes part in the fleet's tasks. */
async function registerMailboxes(store: Store): Promise<void> {
  const names = ["by-store", "by-hand", ...Array.from({ length: CALLERS }, (_, caller) => mailboxOf(caller))];
  for (const agentId of names) {
    await store.registerAgent({ agentId, role: "observer", capabilities: [], maxConcurrentTasks: 0, metadata: {} });
  }
}

/** The large size with fewer messages, and the rest in proportion. */
function largeWith(messages: number): Size {
  const part = (count: number): number => Math.ceil((count * messages) / LARGE.messages);
  return {
    messages,
    agents: Math.max(part(LARGE.agents), SMALL.agents),
    tasks: part(LARGE.tasks),
    running: part(LARGE.running),
    waiting: part(LARGE.waiting),
    behind: part(LARGE.behind),
  };
}

export interface SqlBenchOptions {
  rounds: number;
  /** pairs, callers, flat, workflow */
  only: readonly string[];
  /** In the large database. */
  messages: number;
  /** A database that is filled already. */
  filled: string | undefined;
  /** The folder of another checkout, whose build is measured in the same run. */
  against: string | undefined;
}

export async function benchSql({ rounds, only, messages, filled, against }: SqlBenchOptions): Promise<void> {
  console.log(await engine());
  const small = `agent_communication_bench_small_${process.pid}`;
  const older = `agent_communication_bench_before_${process.pid}`;
  const large = filled ?? `agent_communication_bench_large_${process.pid}`;
  try {
    await makeDatabase(small, SMALL);
    if (only.includes("pairs")) {
      const before = against === undefined ? undefined : await makeBefore(against, older, SMALL);
      const bench = await openBench(small, 1, registerMailboxes, before);
      await benchPairs(bench, rounds).finally(() => bench.close());
    }
    if (only.includes("callers")) {
      const bench = await openBench(small, SESSIONS, registerMailboxes);
      await benchCallers(bench, rounds).finally(() => bench.close());
    }
    if (only.includes("workflow")) await benchWaiting(small, SESSIONS, rounds);
    if (only.includes("flat")) {
      const size = filled === undefined ? largeWith(messages) : await sizeOf(filled);
      if (filled === undefined) await makeDatabase(large, size);
      const benches = [await openBench(small, 1), await openBench(large, 1)] as const;
      const title = `At ${whole(size.messages)} messages, ${whole(size.tasks)} tasks, ${whole(size.agents)} agents compared with ${whole(SMALL.messages)} / ${SMALL.tasks} / ${SMALL.agents}`;
      await benchFlat(...benches, rounds, title).finally(() => Promise.all(benches.map((bench) => bench.close())));
    }
  } finally {
    // (What has failed before is thrown, not that its sessions still hold a database.)
    for (const name of filled === undefined ? [small, older, large] : [small, older]) {
      await dropDatabase(name).catch((error: unknown) => console.error(`${name} was not dropped: ${error}`));
    }
  }
}
