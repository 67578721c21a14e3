import { errorFields, type Log } from "./log.ts";
import type { Telemetry } from "./telemetry.ts";

/**
 * What a store tells: of a call that it is about to try again, of a password that its key vault did not give, and of a database
 * file that was deleted or replaced.
 */
export type FaultListener = (error: unknown, kind: "race" | "fault" | "secret" | "file") => void;

/** Counts what the store tries again, and logs what it cannot read: the known password goes on, so nobody else would say so. */
export function faultListener(log: Log, telemetry: Telemetry | undefined): FaultListener {
  return (fault, kind) => {
    const fields = errorFields(fault);
    switch (kind) {
      case "race":
        telemetry?.count("agent_communication.store.lost_races");
        break;
      case "fault": {
        const { number, code, error } = fields;
        telemetry?.count("agent_communication.store.transient_faults", 1, { error: String(number ?? code ?? error) });
        break;
      }
      case "secret":
        log.error("the key vault did not give the password of the database", fields);
        break;
      case "file":
        log.error("the database file was deleted or replaced while it was open: restart the service", {
          path: fault instanceof Error && "path" in fault ? String(fault.path) : undefined,
        });
    }
  };
}
