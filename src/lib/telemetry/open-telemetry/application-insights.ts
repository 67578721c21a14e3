import {
  AzureMonitorLogExporter,
  AzureMonitorMetricExporter,
  AzureMonitorTraceExporter,
} from "@azure/monitor-opentelemetry-exporter";
import type { TelemetrySettings } from "../../config/telemetry-settings.ts";
import { credentialOf } from "../../security/azure-credential.ts";
import type { Destination } from "./destinations.ts";

/** Application Insights, by its ingestion protocol. */

type Settings = NonNullable<TelemetrySettings["applicationInsights"]>;

/** The exporter's own statistics go to Microsoft, and nobody has asked for them; whoever wants them sets it to nothing. */
const NO_STATISTICS = "APPLICATION_INSIGHTS_NO_STATSBEAT";

export async function openApplicationInsights({ connectionString, login }: Settings): Promise<Destination> {
  process.env[NO_STATISTICS] ??= "true";
  const credential = login === undefined ? undefined : await credentialOf(login);
  // What cannot be delivered is dropped, not written to a disk on which nobody looks for it.
  const options = { connectionString, disableOfflineStorage: true, ...(credential && { credential }) };
  return {
    spans: new AzureMonitorTraceExporter(options),
    metrics: new AzureMonitorMetricExporter(options),
    logs: new AzureMonitorLogExporter(options),
  };
}
