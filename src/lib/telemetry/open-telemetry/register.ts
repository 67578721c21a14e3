import { context, metrics, trace } from "@opentelemetry/api";
import { logs } from "@opentelemetry/api-logs";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import type { TelemetrySettings } from "../../config/telemetry-settings.ts";
import type { Clock } from "../../model/clock.ts";
import { openDestinations } from "./destinations.ts";
import { createProviders } from "./providers.ts";
import { shutDown } from "./shut-down.ts";

/**
 * Makes the providers those of OpenTelemetry's API, for a process of an agent: there the client and the agent's own code are
 * to share them. What cannot be delivered is dropped in silence: the log is the agent's.
 */
export async function registerOpenTelemetry(
  settings: TelemetrySettings,
  clock: Clock,
): Promise<{ stop(): Promise<void> }> {
  const providers = createProviders(settings, await openDestinations(settings), clock.now(), () => undefined);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(providers.traces);
  metrics.setGlobalMeterProvider(providers.metrics);
  logs.setGlobalLoggerProvider(providers.logs);
  return { stop: () => shutDown(providers, clock) };
}
