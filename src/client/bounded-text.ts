import type { FetchAnswer } from "./fetch-types.ts";

/**
 * Reads answers, but none without an end: what is at the address may be something else than a switchboard, whose answer would fill the
 * memory of an agent while it is read, or when it is unpacked.
 */

/** A page has 4 MiB at most, and a block of the audit less than 8. */
export const ANSWER_MAX_BYTES = 32 * 1024 * 1024;

/** The answer is longer than any of a switchboard. */
export class TooLong extends Error {}

/** True when the answer says how long it is, and fetch hands over no more than that: then it is read in one piece. */
function isKnownToFit({ headers }: FetchAnswer, maxBytes: number): boolean {
  const length = headers.get("content-length");
  return length !== null && headers.get("content-encoding") === null && Number(length) <= maxBytes;
}

/**
 * The text of an answer.
 *
 * @throws TooLong past `maxBytes`; what is left is not read
 */
export async function boundedText(answer: FetchAnswer, maxBytes = ANSWER_MAX_BYTES): Promise<string> {
  const { body } = answer;
  if (body === undefined || body === null || isKnownToFit(answer, maxBytes)) return answer.text();
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done || value === undefined) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      // Of a connection that has broken meanwhile nothing is left to be cancelled.
      reader.cancel().catch(() => undefined);
      throw new TooLong(`the answer has more than ${maxBytes} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
