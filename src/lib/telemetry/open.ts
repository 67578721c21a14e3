import type { TelemetrySettings } from "../config/telemetry-settings.ts";
import type { Clock } from "../model/clock.ts";
import { errorFields, type Log } from "../trace/log.ts";
import type { Telemetry } from "../trace/telemetry.ts";

/**
 * Telemetry as the settings want it; undefined when they want none: nothing of it is loaded then. That it cannot be loaded
 * is said in the log and keeps nobody from working.
 *
 * @example
 * const telemetry = await openTelemetry(config.telemetry, systemClock, log);
 */
export async function openTelemetry(
  settings: TelemetrySettings | undefined,
  clock: Clock,
  log: Log,
): Promise<Telemetry | undefined> {
  if (settings === undefined) return undefined;
  try {
    const { startOpenTelemetry } = await import("./open-telemetry/start.ts");
    return await startOpenTelemetry(settings, clock, log);
  } catch (error) {
    log.error("telemetry could not be started", errorFields(error));
    return undefined;
  }
}
