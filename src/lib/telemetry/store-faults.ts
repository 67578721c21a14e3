import { errorFields } from "../log.ts";
import type { Telemetry } from "./telemetry.ts";

/** What a store tells of a call that it is about to try again. */
export type FaultListener = (error: unknown, kind: "race" | "fault") => void;

/** Counts what the store tries again; undefined without telemetry. */
export function faultCounter(telemetry: Telemetry | undefined): FaultListener | undefined {
  if (telemetry === undefined) return undefined;
  return (fault, kind) => {
    if (kind === "race") telemetry.count("agent_communication.store.lost_races");
    else {
      const { number, code, error } = errorFields(fault);
      telemetry.count("agent_communication.store.transient_faults", 1, { error: String(number ?? code ?? error) });
    }
  };
}
