/**
 * How much of a mailbox one sender may fill: no sender shuts it for all others. Above half of the limit, a sender of more
 * than a tenth of the limit is refused.
 */

/** Below this limit a tenth is less than one message, and the limit itself is all that there is. */
const SMALLEST_SHARED_LIMIT = 10;

/** What a sender may have in a mailbox that is more than half full: with more it is refused. */
export function senderShare(maxMailbox: number): number {
  return maxMailbox < SMALLEST_SHARED_LIMIT ? maxMailbox : Math.floor(maxMailbox / 10);
}

/** Whether a mailbox of this depth is so full that senders have shares. */
export function isAboveHalf(depth: number, maxMailbox: number): boolean {
  return depth * 2 > maxMailbox;
}
