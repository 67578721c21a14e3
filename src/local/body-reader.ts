import type { IncomingMessage } from "node:http";
import { bodyTooLarge } from "../lib/http/request-input.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import type { BodyRoom } from "./body-memory.ts";

/**
 * How much of a body that is too long is still read and thrown away before it is refused: who answers while the rest
 * arrives closes the connection on it, and the caller gets a reset in place of the refusal.
 */
const DRAIN_MAX_BYTES = 16 * 1024 * 1024;

/** A body as it has arrived. Many long ones can arrive in one round of the event loop: each is put together in its turn. */
export class ArrivedBody {
  readonly bytes: number;
  readonly #chunks: Buffer[];
  readonly #room: BodyRoom;

  constructor(chunks: Buffer[], bytes: number, room: BodyRoom) {
    this.#chunks = chunks;
    this.bytes = bytes;
    this.#room = room;
  }

  /** Lets go of it, and of its room in the memory. Once it is handled, or its caller has gone, or waits for something else. */
  release(): void {
    this.#chunks.length = 0;
    this.#room.release();
  }

  whole(): Buffer {
    const [only] = this.#chunks;
    if (this.#chunks.length === 1 && only !== undefined) return only;
    const whole = Buffer.concat(this.#chunks, this.bytes);
    this.#chunks.splice(0, this.#chunks.length, whole);
    return whole;
  }
}

/**
 * Reads a body of at most `limit` bytes. A longer one is refused when it has arrived, or at once when it is longer by far
 * (how long arriving may take is bounded by the server's request timeout).
 */
export function readBody(
  stream: IncomingMessage,
  limit: number,
  room: BodyRoom,
  done: (error: Error | null, body?: ArrivedBody) => void,
): void {
  const drainTo = limit + DRAIN_MAX_BYTES;
  const announced = Number(stream.headers["content-length"] ?? 0);
  if (announced > drainTo) {
    stream.resume();
    done(bodyTooLarge(limit));
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  let finished = false;
  const finish = (error: Error | null, body?: ArrivedBody) => {
    if (finished) return;
    finished = true;
    if (error !== null) {
      chunks.length = 0;
      room.release();
    }
    done(error, body);
  };
  const keep = (chunk: Buffer) => {
    try {
      room.take(chunk.length);
    } catch (error) {
      // The rest is read and thrown away, so that the caller gets to see the refusal.
      finish(error instanceof Error ? error : new Error("no room"));
      return;
    }
    chunks.push(chunk);
  };
  stream.on("data", (chunk: Buffer) => {
    if (finished) return;
    bytes += chunk.length;
    if (bytes <= limit) keep(chunk);
    else {
      chunks.length = 0;
      room.release();
    }
    if (bytes > drainTo) finish(bodyTooLarge(limit));
  });
  stream.on("end", () => {
    if (bytes > limit) return finish(bodyTooLarge(limit));
    finish(null, new ArrivedBody(chunks, bytes, room));
  });
  // The caller hung up, or was too slow: nothing went wrong on our side.
  stream.on("error", (cause) => {
    finish(new AgentCommunicationError("INVALID_REQUEST", "The body did not arrive completely.", { cause }));
  });
}
