import type { Show } from "./tool.ts";

/** How large the reply of a tool may be: what a model reads costs its context, and some clients cut longer replies themselves. */

export const REPLY_MAX_BYTES = 24 * 1024;
/** Of one payload, description, result …, where there is room. */
export const CONTENT_MAX_BYTES = 4 * 1024;
/** Of each content, where there are many. */
const CONTENT_MIN_BYTES = 64;

/** The reply as JSON that fits: contents are cut to half as much until it does. */
export function fitting(show: Show): { value: unknown; text: string } {
  for (let maxBytes = CONTENT_MAX_BYTES; ; maxBytes /= 2) {
    const text = JSON.stringify(show(maxBytes));
    if (Buffer.byteLength(text) <= REPLY_MAX_BYTES || maxBytes <= CONTENT_MIN_BYTES) {
      return { value: JSON.parse(text), text };
    }
  }
}
