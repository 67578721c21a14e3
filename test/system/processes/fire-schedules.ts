import { readConfig } from "../../../src/lib/config/config.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { createServices } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";

/**
 * Fires what is due until it is killed or the time is over, and prints how much: one of several processes on one file, whose clocks
 * agree and go 240 times as fast. Arguments: the file, when the clocks agreed (milliseconds), how long to go on.
 */

const [file = "", startedAt = "0", milliseconds = "0"] = process.argv.slice(2);

class FastClock extends OffsetClock {
  override now(): number {
    return Number(startedAt) + (Date.now() - Number(startedAt)) * 240;
  }
}

const clock = new FastClock();
const config = readConfig({ AGENT_MOCK_DATABASE: file, AGENT_HEARTBEAT_TIMEOUT: "31000000" });
const services = createServices({ config, clock, store: await openStore(config, clock) });
process.stdout.write("ready\n");
while (Date.now() < Number(startedAt) + Number(milliseconds)) {
  const { schedulesFired, schedulesRefused } = await services.firing.fireDue();
  if (schedulesFired + schedulesRefused > 0) process.stdout.write(`${schedulesFired} ${schedulesRefused}\n`);
  await clock.sleep(5);
}
services.messages.close();
await services.store.close();
