import { describe, expect, it } from "@jest/globals";
import { openSqliteUnderTest } from "../../contract/sqlite-under-test.ts";
import { Simulation } from "./simulation.ts";
import { VirtualClock } from "./virtual-clock.ts";

const STEPS = Number(process.env.STEPS ?? 400);
const RUNS = Number(process.env.RUNS ?? 6);

/** SEED=… replays one run; otherwise fresh seeds are drawn, and a failure names the one that shows it again. */
const seeds =
  process.env.SEED === undefined
    ? Array.from({ length: RUNS }, () => Math.floor(Math.random() * 4_294_967_296))
    : [Number(process.env.SEED)];

async function simulate(seed: number) {
  const settings = { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 };
  const under = await openSqliteUnderTest(settings, new VirtualClock());
  try {
    return await new Simulation(under, seed).run(STEPS);
  } catch (error) {
    const command = `SEED=${seed} STEPS=${STEPS} npm test -- test/system/simulator`;
    throw new Error(`replay with ${command}`, { cause: error });
  } finally {
    await under.close();
  }
}

describe("a simulated fleet with crashes, lost and repeated calls", () => {
  it.each(seeds)(
    "keeps every guarantee and ends all its work (SEED=%d)",
    async (seed) => {
      const summary = await simulate(seed);
      expect(summary.tasks).toBeGreaterThan(0);
      expect(summary.messages).toBeGreaterThan(0);
    },
    300_000,
  );

  it("replays a seed to the same end", async () => {
    const [seed] = seeds;
    expect(await simulate(seed ?? 1)).toEqual(await simulate(seed ?? 1));
  }, 300_000);
});
