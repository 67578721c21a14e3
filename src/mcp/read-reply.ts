import type { Clock } from "../lib/model/clock.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";

/** A reply of the SDK, whole. Ours are short and complete: what is not is a mistake, and must not hold a caller or the memory. */

const REPLY_MAX_BYTES = 4 * 1024 * 1024;
const REPLY_MAX_MILLISECONDS = 60_000;

/** @throws INTERNAL when it is too long, or not complete in time */
export async function readReply(response: Response, clock: Clock): Promise<string> {
  const { body } = response;
  if (body === null) return "";
  const reader = body.getReader();
  let late = false;
  const cancel = clock.after(REPLY_MAX_MILLISECONDS, () => {
    late = true;
    void reader.cancel();
  });
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value);
      bytes += next.value.length;
      if (bytes > REPLY_MAX_BYTES) {
        void reader.cancel();
        throw new AgentCommunicationError("INTERNAL", "The reply is too large.");
      }
    }
    if (late) throw new AgentCommunicationError("INTERNAL", "The reply was not complete in time.");
    return Buffer.concat(chunks, bytes).toString();
  } finally {
    cancel();
  }
}
