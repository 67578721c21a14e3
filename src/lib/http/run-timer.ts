import type { Services } from "../services.ts";
import type { Log } from "../trace/log.ts";
import type { Timer } from "./route.ts";

/**
 * Runs a timer once, as both hosts do: in a trace of its own, and with a line in the log when it did anything.
 *
 * @throws what the timer's handler throws
 */
export async function runTimer(services: Services, timer: Pick<Timer, "name" | "handler">, log: Log): Promise<void> {
  const run = async () => {
    const counts = Object.entries(await timer.handler(services)).filter(([, count]) => count !== 0);
    if (counts.length > 0) log.info(timer.name, Object.fromEntries(counts));
  };
  if (services.telemetry === undefined) return run();
  const attributes = { "faas.trigger": "timer" };
  return services.telemetry.span({ name: `timer ${timer.name}`, kind: "server", attributes, parent: "none" }, run);
}
