import type { IncomingMessage } from "node:http";
import { bodyTooLarge } from "../lib/http/request-input.ts";

/**
 * Reads a body of at most `limit` bytes. A longer one is refused as soon as that is known, by its Content-Length or by
 * the bytes themselves; the rest is read and thrown away, so that the caller gets the refusal and not a reset connection
 * (how long that may take is bounded by the server's request timeout).
 */
export function readBody(
  stream: IncomingMessage,
  limit: number,
  done: (error: Error | null, body?: Buffer) => void,
): void {
  const announced = Number(stream.headers["content-length"] ?? 0);
  if (announced > limit) {
    stream.resume();
    done(bodyTooLarge(limit));
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  let finished = false;
  const finish = (error: Error | null, body?: Buffer) => {
    if (finished) return;
    finished = true;
    done(error, body);
  };
  stream.on("data", (chunk: Buffer) => {
    if (finished) return;
    bytes += chunk.length;
    if (bytes > limit) {
      chunks.length = 0;
      finish(bodyTooLarge(limit));
    } else {
      chunks.push(chunk);
    }
  });
  stream.on("end", () => {
    const only = chunks[0];
    finish(null, chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes));
  });
  stream.on("error", (error) => finish(error));
}
