import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "@jest/globals";
import { isAgentCommunicationError } from "../../src/lib/errors.ts";
import { BodyMemory } from "../../src/local/body-memory.ts";
import { readBody } from "../../src/local/body-reader.ts";

/** Reads one body from a stream that stands for a request. */
function read(chunks: readonly number[], limit: number, memory: BodyMemory): Promise<string> {
  const stream = Object.assign(new PassThrough(), { headers: {} });
  return new Promise((resolve) => {
    // A request is a readable stream with headers; nothing else of it is used.
    readBody(stream as unknown as IncomingMessage, limit, memory, (error, body) =>
      resolve(
        body !== undefined
          ? `body ${body.whole().length}`
          : isAgentCommunicationError(error)
            ? error.code
            : String(error),
      ),
    );
    for (const bytes of chunks) stream.write(Buffer.alloc(bytes));
    stream.end();
  });
}

const room = (memory: BodyMemory, bytes: number) => {
  try {
    memory.take(bytes);
    memory.release(bytes);
    return true;
  } catch {
    return false;
  }
};

describe("the memory of bodies that arrive", () => {
  it("is taken until the body has been handled, and given back by every refusal", async () => {
    const memory = new BodyMemory(100);
    expect(await read([30, 30], 80, memory)).toBe("body 60");
    expect([room(memory, 40), room(memory, 41)]).toEqual([true, false]);
    expect(await read([30, 30], 80, memory)).toBe("RATE_LIMITED");
    expect([room(memory, 40), room(memory, 41)]).toEqual([true, false]);
    expect(await read([10, 10, 10], 20, memory)).toBe("PAYLOAD_TOO_LARGE");
    expect([room(memory, 40), room(memory, 41)]).toEqual([true, false]);
    memory.release(60);
    expect([room(memory, 100), room(memory, 101)]).toEqual([true, false]);
  });
});
