import { afterAll, describe, expect, it } from "@jest/globals";
import { SimulatedStores } from "./simulated-stores.ts";
import { Simulation, type Summary } from "./simulation.ts";

const STEPS = Number(process.env.STEPS ?? 400);
const RUNS = Number(process.env.RUNS ?? 200);
/** Of them, how many wait for the disk at each commit. */
const SYNCED_RUNS = Math.min(3, RUNS);

/** SEED=… replays one run; otherwise fresh seeds are drawn, and a failure names the one that shows it again. */
const seeds =
  process.env.SEED === undefined
    ? Array.from({ length: RUNS }, () => Math.floor(Math.random() * 4_294_967_296))
    : [Number(process.env.SEED)];

const stores = new SimulatedStores({ heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 });
afterAll(() => stores.remove());

async function simulate(seed: number, { syncs } = { syncs: false }): Promise<Summary> {
  const under = await stores.open({ syncs });
  try {
    return await new Simulation(under, seed).run(STEPS);
  } catch (error) {
    const command = `SEED=${seed} STEPS=${STEPS} npm test -- test/system/simulator`;
    throw new Error(`replay with ${command}`, { cause: error });
  } finally {
    await under.close();
  }
}

/** Simulates them all, and says how fast. @returns what they were made of, together */
async function simulateAll(some: readonly number[], syncing: { syncs: boolean }) {
  const startedAt = performance.now();
  const usedBefore = process.cpuUsage();
  const sum: Record<string, number> = {};
  for (const seed of some) {
    const summary = await simulate(seed, syncing);
    for (const [name, count] of Object.entries(summary)) sum[name] = (sum[name] ?? 0) + count;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(usedBefore);
  const each = ((user + system) / 1_000_000 / some.length).toFixed(3);
  const rate = `${some.length} seeds of ${STEPS} steps in ${seconds.toFixed(1)} s, ${each} s of processor time each`;
  process.stdout.write(`${rate}${syncing.syncs ? ", each commit on the disk" : ""}: ${JSON.stringify(sum)}\n`);
  return sum;
}

describe("a simulated fleet with crashes, lost and repeated calls", () => {
  it(`keeps every guarantee and ends all its work, over ${seeds.length} seeds`, async () => {
    const sum = await simulateAll(seeds, { syncs: false });
    // Of one seed alone some plays may not come.
    const played = Object.entries(sum).filter(([, count]) => count > 0 || seeds.length < 10);
    expect(played.map(([name]) => name)).toEqual(Object.keys(sum));
  }, 86_400_000);

  it("does so where each commit waits for the disk", async () => {
    const sum = await simulateAll(seeds.slice(0, SYNCED_RUNS), { syncs: true });
    expect(sum.tasks).toBeGreaterThan(0);
  }, 300_000);

  it("replays a seed to the same end", async () => {
    const [seed] = seeds;
    expect(await simulate(seed ?? 1)).toEqual(await simulate(seed ?? 1));
  }, 300_000);
});
