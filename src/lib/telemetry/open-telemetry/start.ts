import type { TelemetrySettings } from "../../config/telemetry-settings.ts";
import type { Clock } from "../../model/clock.ts";
import type { Log } from "../../trace/log.ts";
import type { Telemetry } from "../../trace/telemetry.ts";
import { openDestinations } from "./destinations.ts";
import { OpenTelemetry } from "./open-telemetry.ts";
import { createProviders } from "./providers.ts";

/** An unreachable collector fails every export: it is said once per so long. */
const REPORT_EVERY_MILLISECONDS = 300_000;

/** Loads what the settings need, and nothing else; to be imported lazily. */
export async function startOpenTelemetry(settings: TelemetrySettings, clock: Clock, log: Log): Promise<Telemetry> {
  const destinations = await openDestinations(settings);
  let reportAt = Number.NEGATIVE_INFINITY;
  const onError = () => {
    const now = clock.now();
    if (now < reportAt) return;
    reportAt = now + REPORT_EVERY_MILLISECONDS;
    log.error("telemetry was not delivered", { silentForSeconds: REPORT_EVERY_MILLISECONDS / 1_000 });
  };
  const providers = createProviders(settings, destinations, clock.now(), onError);
  return new OpenTelemetry(providers, clock, settings.metrics.exportIntervalMillis);
}
