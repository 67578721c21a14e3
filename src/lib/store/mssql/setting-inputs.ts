import { DAY_MILLISECONDS } from "../instants.ts";
import { senderShare } from "../mailbox-room.ts";
import type { StoreSettings } from "../store.ts";
import { bigint, bit, type Inputs, int } from "./batch.ts";

/** A stored heartbeat is renewed when it is older than this share of the interval: one write in many calls. */
const RENEWAL_SHARE = 0.25;

/**
 * What procedures may ask of the settings: each is given those that its parameters name.
 *
 * - `renewalMilliseconds`: how old a stored heartbeat may grow before an accepted call renews it
 * - `share`: how many messages of a mailbox that is more than half full may be one sender's
 */
export function settingInputs(settings: StoreSettings): Inputs {
  const days = (count: number) => bigint(count * DAY_MILLISECONDS);
  return {
    renewalMilliseconds: int(Math.round(settings.heartbeatIntervalSeconds * 1_000 * RENEWAL_SHARE)),
    heartbeatTimeoutMilliseconds: bigint(settings.heartbeatTimeoutSeconds * 1_000),
    maxMailbox: int(settings.maxMailbox),
    share: int(senderShare(settings.maxMailbox)),
    auditMessages: bit(settings.auditMessages),
    messageRetention: days(settings.messageRetentionDays),
    deadLetterRetention: days(settings.deadLetterRetentionDays),
    inactiveRetention: days(settings.inactiveRetentionDays),
    taskRetention: days(settings.taskRetentionDays),
    auditRetention: days(settings.auditRetentionDays),
  };
}
