import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { poolConfig } from "../../../src/lib/store/mssql/pool-config.ts";
import { dropDatabases, openMssqlUnderTest, testSettings } from "../../contract/mssql-under-test.ts";
import type { StoreUnderTest } from "../../contract/store-under-test.ts";
import { HOUR, Scene } from "../../contract/support.ts";
import { countRoundTrips } from "../../support/count-round-trips.ts";
import { VERB_CASES, type Verb } from "./verb-cases.ts";

/** Every verb asks the server at most once, or reads and then writes; and concurrent calls share what they ask. */

/** Upkeep goes step by step, in transactions of bounded size, and moves the time of everything: not one call of one agent. */
const STEPWISE: ReadonlySet<string> = new Set(["sweep", "sweepDueTasks", "maintain"] satisfies Verb[]);

/** They read, decide by a rule of store/rules, and write. */
const READ_THEN_WRITE: ReadonlySet<string> = new Set<Verb | "suspendTask until children have ended">([
  "createChannel",
  "deleteChannel",
  "addChannelMember",
  "removeChannelMember",
  "putChannelGrant",
  "issueCredential",
  "revokeCredential",
  "renewToken",
  "putMessageType",
  "deleteMessageType",
  "redriveDeadLetters",
  "purgeDeadLetters",
  "putSchedule",
  "deleteSchedule",
  "moveSchedule",
  "retryTask",
  "suspendTask until children have ended",
]);

/** They read the workflow, do something to its tasks together, and read what has become of it; a cancel records and looks for children besides. */
const OF_A_WORKFLOW: Readonly<Record<string, number>> = { cancelWorkflow: 5, retryWorkflow: 3 };

const CALLS = 64;
/** Batches hold at most 32 to 64 calls; two are under way at once. */
const BATCHES_MAX = 4;

describe("round trips", () => {
  let under: StoreUnderTest;
  const everyCaller = <T>(call: (index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: CALLS }, (_, index) => call(index)));

  beforeAll(async () => {
    under = await openMssqlUnderTest();
    // Connecting looks at the schema once.
    await under.store.listAgents({ limit: 1 });
  });
  afterAll(async () => {
    await under.close();
    await dropDatabases();
  });

  it("are not spent on asking whether a connection is still there", async () => {
    const config = await poolConfig(testSettings("any"), systemClock);
    expect(config.validateConnection).toBe(false);
  });

  it("a sweep that finds nothing due makes two: a look at everything, and the counters of seconds long gone", async () => {
    expect(await countRoundTrips(() => under.store.sweep())).toBe(2);
  });

  const cases = Object.entries(VERB_CASES);
  it.each(cases.filter(([name]) => !STEPWISE.has(name) && !READ_THEN_WRITE.has(name) && !(name in OF_A_WORKFLOW)))(
    "%s makes at most one",
    async (_, one) => {
      const act = await one.arrange(new Scene(under));
      expect(await countRoundTrips(act)).toBeLessThanOrEqual(1);
    },
  );

  it.each(cases.filter(([name]) => READ_THEN_WRITE.has(name)))("%s makes two: it reads, and writes", async (_, one) => {
    const act = await one.arrange(new Scene(under));
    expect(await countRoundTrips(act)).toBe(2);
  });

  it.each(cases.filter(([name]) => name in OF_A_WORKFLOW))("%s makes a few, however many tasks", async (name, one) => {
    const act = await one.arrange(new Scene(under));
    expect(await countRoundTrips(act)).toBe(OF_A_WORKFLOW[name]);
  });

  describe(`of ${CALLS} concurrent calls`, () => {
    it("about messages are shared", async () => {
      const scene = new Scene(under);
      const sender = await scene.agent();
      const receivers = await everyCaller(() => scene.agent());
      const to = (index: number) => receivers[index] ?? "";
      const counts: Record<string, number> = {};
      const count = async <T>(name: string, call: (index: number) => Promise<T>): Promise<T[]> => {
        let answers: T[] = [];
        counts[name] = await countRoundTrips(async () => {
          answers = await everyCaller(call);
        });
        return answers;
      };
      await count("send", (index) => scene.send(sender, to(index)));
      const leased = await count("claim", (index) => scene.receiveOne(to(index)));
      const held = (index: number) => leased[index] ?? { messageId: "", attempt: 0 };
      await count("renew", (index) => {
        const { messageId, attempt } = held(index);
        return scene.store.renewLease({ agentId: to(index), messageId, attempt, leaseMilliseconds: HOUR });
      });
      await count("settle", (index) => scene.settle(to(index), held(index), "complete"));
      await count("heartbeat", (index) => scene.store.heartbeat({ agentId: to(index) }));
      for (const [name, trips] of Object.entries(counts)) expect([name, trips <= BATCHES_MAX]).toEqual([name, true]);
    });

    it("about tasks are shared", async () => {
      const scene = new Scene(under);
      const supervisor = await scene.supervisor();
      const workers = await everyCaller(() => scene.worker(2));
      expect(workers).toHaveLength(CALLS);
      const counts: Record<string, number> = {};
      const taskIds = Array.from({ length: CALLS }, () => scene.fresh("t"));
      counts.assign = await countRoundTrips(() =>
        everyCaller((index) => scene.submit(supervisor, { taskId: taskIds[index] })),
      );
      const tasks = await Promise.all(taskIds.map((taskId) => scene.held(taskId)));
      counts.start = await countRoundTrips(() => Promise.all(tasks.map((held) => scene.start(held))));
      counts.progress = await countRoundTrips(() =>
        Promise.all(tasks.map((held) => scene.progress(held, { percent: 50 }))),
      );
      const [failing, completing] = [tasks.slice(0, 8), tasks.slice(8)];
      counts.complete = await countRoundTrips(() => Promise.all(completing.map((held) => scene.complete(held))));
      counts.fail = await countRoundTrips(() => Promise.all(failing.map((held) => scene.fail(held))));
      for (const [name, trips] of Object.entries(counts)) expect([name, trips <= BATCHES_MAX]).toEqual([name, true]);
    });
  });
});
