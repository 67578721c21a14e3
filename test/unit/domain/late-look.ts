import { readConfig } from "../../../src/lib/config/config.ts";
import { MailboxWaiters } from "../../../src/lib/domain/messages/mailbox-waiters.ts";
import { type Clock, OffsetClock } from "../../../src/lib/model/clock.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";

/**
 * Two that wait on a busy machine: the second one's look is earlier than the end of the sleep, which it ends, and is due
 * already when the event loop comes round. Run as a process, because what went wrong here held the event loop for ever.
 */

/** Sleeps end when they are told to. */
class HandClock extends OffsetClock {
  timeUp: () => void = () => undefined;
  lastNap = 0;
  naps = 0;
  override readonly sleep: Clock["sleep"] = (milliseconds, signal) =>
    new Promise((resolve) => {
      this.naps += 1;
      this.lastNap = milliseconds;
      this.timeUp = resolve;
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });

  async untilNap(nap: number): Promise<void> {
    while (this.naps < nap) await new Promise((resolve) => setImmediate(resolve));
  }
}

const clock = new HandClock();
const store = await openStore(readConfig({ AGENT_MOCK_DATABASE: ":memory:" }), clock);
for (const agentId of ["a", "b"]) {
  await store.registerAgent({ agentId, role: "worker", capabilities: [], maxConcurrentTasks: 1 });
}
const waiters = new MailboxWaiters(store, clock);
const end = clock.now() + 20_000;
void waiters.listen("a").next(end);
await clock.untilNap(1);
while (clock.lastNap < 500) {
  clock.advance(clock.lastNap);
  clock.timeUp();
  await clock.untilNap(clock.naps + 1);
}
const before = clock.naps;
void waiters.listen("b").next(end);
clock.advance(200);
await clock.untilNap(before + 1);
process.stdout.write("looked\n");
process.exit(0);
