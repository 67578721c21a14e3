import { setTimeout as sleep } from "node:timers/promises";

/** Asks again and again until `ask` gives something; for what another process does in its own time. */
export async function until<Found>(
  what: string,
  ask: () => Promise<Found | undefined | false> | Found | undefined | false,
  milliseconds = 20_000,
): Promise<Found> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${milliseconds} ms`);
    await sleep(20);
  }
}
