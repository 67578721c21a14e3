import type { Clock } from "../../model/clock.ts";
import type { Providers } from "./providers.ts";

/** How long the last export may take: a collector that does not answer keeps no process from ending. */
const STOP_MILLISECONDS = 3_000;

/** Exports what is left. Never rejects. */
export async function shutDown({ metrics, traces, logs }: Providers, clock: Clock): Promise<void> {
  const over = new AbortController();
  // Metrics first: what they still read from the store must be read while it is open.
  const flushed = Promise.allSettled([metrics.shutdown(), traces.shutdown(), logs.shutdown()]);
  await Promise.race([flushed, clock.sleep(STOP_MILLISECONDS, over.signal)]);
  over.abort();
}
