import { DAY_MILLISECONDS } from "../instants.ts";
import { senderShare } from "../mailbox-room.ts";
import { renewalMilliseconds } from "../rules/heartbeats.ts";
import type { StoreSettings } from "../store.ts";
import { bigint, bit, type Inputs, int } from "./batch.ts";

/**
 * What procedures may ask of the settings: each is given those that its parameters name.
 *
 * - `renewalMilliseconds`: how old a stored heartbeat may grow before an accepted call renews it (of an agent without a timeout of its own)
 * - `share`: how many messages of a mailbox that is more than half full may be one sender's
 */
export function settingInputs(settings: StoreSettings): Inputs {
  const days = (count: number) => bigint(count * DAY_MILLISECONDS);
  return {
    renewalMilliseconds: int(renewalMilliseconds({ own: null, settings })),
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
