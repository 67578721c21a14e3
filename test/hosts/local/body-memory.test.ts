import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { POLLS_PER_CREDENTIAL } from "../../../src/lib/domain/messages/polls.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { BodyMemory, type BodyRoom } from "../../../src/local/body-memory.ts";
import { readBody } from "../../../src/local/body-reader.ts";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { until } from "../../support/poll.ts";

/** Reads one body from a stream that stands for a request. */
function read(chunks: readonly number[], limit: number, room: BodyRoom): Promise<string> {
  const stream = Object.assign(new PassThrough(), { headers: {} });
  return new Promise((resolve) => {
    // A request is a readable stream with headers; nothing else of it is used.
    readBody(stream as unknown as IncomingMessage, limit, room, (error, body) =>
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

const hasRoom = (memory: BodyMemory, bytes: number, owner?: string) => {
  const room = memory.roomFor(owner);
  try {
    room.take(bytes);
    room.release();
    return true;
  } catch {
    return false;
  }
};

describe("the memory of bodies that arrive", () => {
  it("is taken until the body has been handled, and given back by every refusal", async () => {
    const memory = new BodyMemory(100);
    const first = memory.roomFor(undefined);
    expect(await read([30, 30], 80, first)).toBe("body 60");
    expect([hasRoom(memory, 40), hasRoom(memory, 41)]).toEqual([true, false]);
    expect(await read([30, 30], 80, memory.roomFor(undefined))).toBe("RATE_LIMITED");
    expect([hasRoom(memory, 40), hasRoom(memory, 41)]).toEqual([true, false]);
    expect(await read([10, 10, 10], 20, memory.roomFor(undefined))).toBe("PAYLOAD_TOO_LARGE");
    expect([hasRoom(memory, 40), hasRoom(memory, 41)]).toEqual([true, false]);
    first.release();
    expect([hasRoom(memory, 100), hasRoom(memory, 101)]).toEqual([true, false]);
    // Its room is another's by now.
    first.release();
    expect([hasRoom(memory, 100), hasRoom(memory, 101)]).toEqual([true, false]);
  });

  it("keeps a quarter for short bodies", () => {
    const memory = new BodyMemory(800 * 1024);
    memory.roomFor(undefined).take(600 * 1024);
    expect(hasRoom(memory, 17 * 1024)).toBe(false);
    expect(hasRoom(memory, 16 * 1024)).toBe(true);
    // What has become long is no short body, however small its pieces are.
    const room = memory.roomFor(undefined);
    room.take(16 * 1024);
    expect(() => room.take(1)).toThrow("Too many request bodies");
  });

  it("above half is shared out among credentials", () => {
    const memory = new BodyMemory(800);
    memory.roomFor("hoarder").take(400);
    expect(hasRoom(memory, 1, "hoarder")).toBe(false);
    expect([hasRoom(memory, 100, "other"), hasRoom(memory, 101, "other")]).toEqual([true, false]);
    const other = memory.roomFor("other");
    other.take(60);
    expect([hasRoom(memory, 40, "other"), hasRoom(memory, 41, "other")]).toEqual([true, false]);
    other.release();
    expect(hasRoom(memory, 100, "other")).toBe(true);
  });
});

describe("the memory of bodies in a server", () => {
  let host: GuardedHost;
  beforeAll(async () => {
    host = await startGuardedHost();
  });
  afterAll(() => host.stop());

  /** Sends a request with a long body. */
  function send(path: string, token: string, body: string, sent?: (socket: Socket) => void): Socket {
    const { hostname, port, pathname } = new URL(host.url);
    const head = [
      `POST ${pathname}${path} HTTP/1.1`,
      `Host: ${hostname}`,
      `Authorization: Bearer ${token}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    ];
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${head.join("\r\n")}\r\n\r\n${body}`, () => sent?.(socket)),
    );
    return socket.on("error", () => undefined);
  }

  /** What another agent gets for a body that is too long to be a short one. */
  async function other(): Promise<number> {
    const { agentId, token } = await host.agent();
    const body = { claimId: "c".repeat(500_000) };
    return (await host.ask("POST", `/agents/${agentId}/messages/receive`, { headers: bearer(token), body })).status;
  }

  it("is not taken by calls that wait: a credential has all the long polls that it may, whatever their bodies", async () => {
    const { agentId, token } = await host.agent();
    const sockets: Socket[] = [];
    const poll = () =>
      new Promise<string>((resolve) => {
        const body = `{"waitSeconds":20}${" ".repeat(400_000)}`;
        const socket = send(`/agents/${agentId}/messages/receive`, token, body);
        sockets.push(socket);
        socket.on("data", (chunk: Buffer) => resolve(chunk.toString()));
      });
    // Bodies on their way take room, so some are refused at first.
    const answered = async () => {
      for (;;) {
        const answer = await poll();
        if (!answer.includes("Too many request bodies are arriving")) return answer;
      }
    };
    const first = await Promise.race(Array.from({ length: POLLS_PER_CREDENTIAL + 1 }, answered));
    expect(first).toContain("long polls open");
    expect(await other()).toBe(400);
    for (const socket of sockets) socket.destroy();
  });

  it("is given back by callers that hang up before they are answered", async () => {
    // Each has a share of the memory.
    for (let turn = 0; turn < 16; turn += 1) {
      const { agentId, token } = await host.agent();
      const body = `{"maxMessages":1}${" ".repeat(1_000_000)}`;
      const hangUp = () =>
        new Promise<void>((resolve) => {
          const path = `/agents/${agentId}/messages/receive`;
          send(path, token, body, (socket) => socket.destroy()).on("close", () => resolve());
        });
      await Promise.all(Array.from({ length: 20 }, hangUp));
    }
    await until("room for others", async () => (await other()) === 400);
  });
});
