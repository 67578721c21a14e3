import { client } from "./settings.ts";

/**
 * Runs the daily upkeep now, for schedulers of one's own; the service also does it by itself at 03:00 UTC. Each run has
 * a budget of a minute; what is left is done by the next.
 *
 * node examples/daily-maintenance.ts
 */

const MOST_RUNS = 60;

for (let run = 1; run <= MOST_RUNS; run++) {
  const { finished, ...done } = await client.runMaintenance();
  console.log(
    Object.entries(done)
      .map(([what, count]) => `${what} ${count}`)
      .join("  "),
  );
  if (finished) break;
}
const { deadLetters } = await client.queueStatistics();
if (deadLetters > 0) console.log(`${deadLetters} dead letters are kept; have a look at them`);
