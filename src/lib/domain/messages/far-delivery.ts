import { AgentCommunicationError } from "../../model/errors.ts";
import { DURATION_MAX_SECONDS } from "../../model/limits.ts";
import type { SendMessage } from "../../model/message.ts";

/**
 * Refuses what is to be delivered more than a year ahead, as far as a delay may reach: until then it would sit in a mailbox,
 * and count there.
 *
 * @param now milliseconds since the epoch, as the store tells it
 * @param pathOf the path of `deliverAt` of a message in the request
 * @throws INVALID_REQUEST
 */
export function refuseFarDelivery(
  messages: readonly SendMessage[],
  now: number,
  pathOf: (index: number) => string,
): void {
  const latest = now + DURATION_MAX_SECONDS * 1_000;
  const far = messages.findIndex(({ deliverAt }) => deliverAt !== undefined && Date.parse(deliverAt) > latest);
  if (far === -1) return;
  const path = pathOf(far);
  const message = "must be at most a year ahead";
  throw new AgentCommunicationError("INVALID_REQUEST", `The request is invalid: ${path} ${message}.`, {
    errors: [{ path, message }],
  });
}
