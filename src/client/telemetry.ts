import { readTelemetrySettings } from "../lib/config/telemetry-settings.ts";
import { systemClock } from "../lib/model/clock.ts";

/** `agent-communication/client/telemetry`: Node only, and therefore not part of the client's core. */

/** Telemetry of an agent's process. */
export interface AgentTelemetry {
  /** Exports the rest, for a few seconds at most; to be called before the process ends. */
  stop(): Promise<void>;
}

/**
 * Registers OpenTelemetry for an agent's process, by the same variables as the service: what its workers and message
 * handlers do is then part of the traces of their tasks and messages. Not for processes that have an OpenTelemetry SDK of
 * their own: the client uses that without being told. Where no destination is configured, nothing is loaded.
 *
 * @param serviceName what the process is called, unless OTEL_SERVICE_NAME says
 * @throws Error naming the variables that are wrong
 * @example
 * const telemetry = await startTelemetry("image-workers");
 * await worker.start();
 * await stopOnSignals(worker);
 * await telemetry.stop();
 */
export async function startTelemetry(serviceName: string): Promise<AgentTelemetry> {
  const given = Object.entries(process.env).filter(([, value]) => value !== "");
  const { settings, problems } = readTelemetrySettings(Object.fromEntries(given));
  if (problems.length > 0) throw new Error(`bad settings: ${problems.join("; ")}`);
  if (settings === undefined) return { stop: async () => undefined };
  const { registerOpenTelemetry } = await import("../lib/telemetry/open-telemetry/register.ts");
  return registerOpenTelemetry({ ...settings, serviceName }, systemClock);
}
