import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { answerBrokenHttp, refuseConnect } from "../../../src/local/broken-http.ts";
import { type ConnectionLimits, Connections } from "../../../src/local/connections.ts";

/** Real connections to a real server that answers when the test says so. */

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

interface Under {
  server: Server;
  port: number;
  /** Requests that are being carried out, in the order of their beginning. */
  begun: { request: IncomingMessage; response: ServerResponse }[];
  connections: Connections;
  log: unknown[];
}

async function serve(limits: ConnectionLimits): Promise<Under> {
  const log: unknown[] = [];
  const begun: Under["begun"] = [];
  const record = (...event: unknown[]) => void log.push(event);
  const connections = new Connections(limits, { info: record, error: record }, systemClock);
  const server = createServer(
    connections.inTurn((request, response) => {
      request.resume();
      begun.push({ request, response });
    }),
  );
  server.on("clientError", (error, socket) => answerBrokenHttp(error, socket as Socket, connections));
  connections.watch(server);
  refuseConnect(server, connections);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return { server, port: (server.address() as AddressInfo).port, begun, connections, log };
}

class Caller {
  readonly socket: Socket;
  received = "";
  closed = false;

  /** @param from the loopback address from which it calls */
  constructor(port: number, reads = true, from = "127.0.0.1") {
    this.socket = connect({ port, host: "127.0.0.1", localAddress: from });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    if (reads) {
      this.socket.on("data", (chunk) => {
        this.received += chunk.toString();
      });
    }
    open.push({ close: () => this.socket.destroy() });
  }
}

async function until(done: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!done()) {
    if (performance.now() > end) throw new Error("it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const answers = (text: string) => text.match(/HTTP\/1\.1 \d+/g) ?? [];

describe("requests that are sent ahead on one connection", () => {
  it("are carried out one after the other, and answered in their order", async () => {
    const { port, begun } = await serve({ perAddress: undefined });
    const caller = new Caller(port);
    caller.socket.write(get("/1") + get("/2") + get("/3"));
    for (const n of [1, 2, 3]) {
      await until(() => begun.length === n);
      // None of the later ones has begun.
      await new Promise((resolve) => setImmediate(resolve));
      expect(begun.map(({ request }) => request.url)).toEqual(["/1", "/2", "/3"].slice(0, n));
      begun[n - 1]?.response.end(`<${n}>`);
    }
    await until(() => caller.received.includes("<3>"));
    expect(caller.received.match(/<\d>/g)).toEqual(["<1>", "<2>", "<3>"]);
  });

  it("are refused past the limit, behind the answers to those before", async () => {
    const { port, begun } = await serve({ perAddress: undefined, pipelined: 2 });
    const caller = new Caller(port);
    caller.socket.write(["/1", "/2", "/3", "/4", "/5", "/6"].map(get).join(""));
    for (const n of [1, 2, 3]) {
      await until(() => begun.length === n);
      begun[n - 1]?.response.end();
    }
    await until(() => caller.closed);
    expect(answers(caller.received)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 429"]);
    expect(caller.received).toContain("RATE_LIMITED");
    expect(begun).toHaveLength(3);
  });

  it("close a connection that goes on behind its refusal, while the answer before is still awaited", async () => {
    const { port, begun } = await serve({ perAddress: undefined, pipelined: 2, aheadBytes: 50_000 });
    const [flood, other] = [new Caller(port), new Caller(port)];
    flood.socket.write(get("/waits"));
    other.socket.write(get("/other"));
    await until(() => begun.length === 2);
    // Some 1 kB each: three wait or are refused, and 30 more are still within the limit.
    flood.socket.write(get("/more").repeat(33));
    const waits = begun.find(({ request }) => request.url === "/waits")?.request;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(waits?.socket.destroyed).toBe(false);
    flood.socket.write(get("/more").repeat(100));
    await until(() => flood.closed);
    expect(begun).toHaveLength(2);
    begun.find(({ request }) => request.url === "/other")?.response.end("served");
    await until(() => other.received.includes("served"));
  });

  it("make further connections of that address wait for their turn, and nobody else's", async () => {
    const { port, begun } = await serve({ perAddress: 100, aheadBytes: 8 * 1_024 });
    const greedy = new Caller(port, true, "127.0.0.2");
    greedy.socket.write(get("/waits").repeat(20));
    await until(() => greedy.closed);
    const began = performance.now();
    const served: string[] = [];
    const callers = ["127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"].map((from, n) => {
      const caller = new Caller(port, true, from);
      caller.socket.write(get(`/${n}`));
      return caller;
    });
    await until(() => {
      for (const { request, response } of begun.splice(0)) {
        if (request.url !== "/waits") served.push(request.url ?? "");
        response.end();
      }
      return served.length === callers.length;
    });
    expect(served).toEqual(["/3", "/0", "/1", "/2"]);
    expect(performance.now() - began).toBeGreaterThan(100);
    await until(() => callers.every((caller) => answers(caller.received).join() === "HTTP/1.1 200"));
  });

  it("are bounded in all, and make room again when their connection closes", async () => {
    const { port, begun } = await serve({ perAddress: undefined, pipelined: 100, aheadInAllBytes: 50_000 });
    const callers = [1, 2, 3].map(() => new Caller(port));
    const [first, second, third] = callers;
    for (const caller of callers) caller.socket.write(get("/waits"));
    await until(() => begun.length === 3);
    first?.socket.write(get("/ahead").repeat(30));
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    second?.socket.write(get("/ahead").repeat(30));
    await until(() => second?.closed === true);
    expect(first?.closed).toBe(false);
    first?.socket.destroy();
    await until(() => begun.filter(({ request }) => request.socket.destroyed).length === 2);
    third?.socket.write(get("/ahead").repeat(30));
    for (let n = 3; n < 33; n += 1) {
      begun.at(-1)?.response.end();
      for (const { request, response } of begun)
        if (!request.socket.destroyed && !response.writableEnded) response.end();
      await until(() => begun.length > n);
    }
    // None of those that were sent ahead on the two others.
    expect(begun).toHaveLength(33);
    expect(third?.closed).toBe(false);
  });

  it("give their room back as they are carried out", async () => {
    const { port, begun } = await serve({ perAddress: undefined, aheadBytes: 5_000 });
    const caller = new Caller(port);
    caller.socket.write(get("/0"));
    await until(() => begun.length === 1);
    for (let n = 1; n < 40; n += 1) {
      caller.socket.write(get(`/${n}`));
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      begun[n - 1]?.response.end();
      await until(() => begun.length === n + 1);
    }
    expect(caller.closed).toBe(false);
  });

  it("are not carried out when the caller has gone, or has asked to close before them", async () => {
    const { port, begun } = await serve({ perAddress: undefined });
    const gone = new Caller(port);
    gone.socket.write(get("/1") + get("/2"));
    await until(() => begun.length === 1);
    gone.socket.destroy();
    await until(() => begun[0]?.response.closed === true);
    const closes = new Caller(port);
    closes.socket.write(get("/3").replace("Host", "Connection: close\r\nHost") + get("/4"));
    await until(() => begun.length === 2);
    begun[1]?.response.end();
    await until(() => closes.closed);
    expect(begun.map(({ request }) => request.url)).toEqual(["/1", "/3"]);
    expect(answers(closes.received)).toEqual(["HTTP/1.1 200"]);
  });
});

describe("what follows a request on its connection and is no HTTP", () => {
  const post = (body: string) =>
    `POST /done HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  it("is answered after the request that was carried out", async () => {
    const { port, begun } = await serve({ perAddress: undefined });
    const caller = new Caller(port);
    caller.socket.write(`${post("{}")}nonsense\r\n\r\n`);
    await until(() => begun.length === 1);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(caller.received).toBe("");
    begun[0]?.response.writeHead(201).end("made");
    await until(() => caller.closed);
    expect(answers(caller.received)).toEqual(["HTTP/1.1 201", "HTTP/1.1 400"]);
    expect(caller.received).toContain("made");
  });

  it("is answered after it, too, when it is CONNECT", async () => {
    const { port, begun } = await serve({ perAddress: undefined });
    const caller = new Caller(port);
    caller.socket.write(`${post("{}")}CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\nand more`);
    await until(() => begun.length === 1);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(caller.received).toBe("");
    begun[0]?.response.writeHead(201).end("made");
    await until(() => caller.closed);
    expect(answers(caller.received)).toEqual(["HTTP/1.1 201", "HTTP/1.1 405"]);
    expect(caller.received).toContain("METHOD_NOT_ALLOWED");
  });

  it("leaves whole requests before it to be carried out", async () => {
    const { port, begun } = await serve({ perAddress: undefined });
    const caller = new Caller(port);
    caller.socket.write(
      `${post("1")}${post("22")}POST /broken HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n`,
    );
    for (const n of [1, 2]) {
      await until(() => begun.length === n);
      begun[n - 1]?.response.end();
    }
    await until(() => caller.closed);
    expect(answers(caller.received)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 400"]);
  });

  it("is answered at once when it is the body of the request itself", async () => {
    const { port } = await serve({ perAddress: undefined });
    const caller = new Caller(port);
    caller.socket.write("POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    await until(() => caller.closed);
    expect(answers(caller.received)).toEqual(["HTTP/1.1 400"]);
  });
});

describe("answers that are not read", () => {
  const MEBIBYTE = 1024 * 1024;

  it("close the connections that have not read for longest, once they are too many", async () => {
    const { port, begun, connections } = await serve({ perAddress: undefined, unreadBytes: 100 * MEBIBYTE });
    const callers: Caller[] = [];
    // More than what the system itself keeps for a connection.
    const bytes = 40 * MEBIBYTE;
    for (const n of [0, 1, 2, 3]) {
      const caller = new Caller(port, false);
      callers.push(caller);
      caller.socket.write(get("/large"));
      await until(() => begun.length === n + 1);
      const response = begun[n]?.response;
      if (response === undefined) throw new Error("no response");
      connections.sending(response, bytes);
      response.end(Buffer.alloc(bytes));
    }
    const sockets = begun.map(({ request }) => request.socket);
    await until(() => sockets[0]?.destroyed === true && sockets[1]?.destroyed === true);
    expect(sockets.map((socket) => socket.destroyed)).toEqual([true, true, false, false]);
  });

  it("close those of the address that reads least, and not an older one of somebody else", async () => {
    const { port, begun, connections } = await serve({ perAddress: undefined, unreadBytes: 100 * MEBIBYTE });
    const bytes = 30 * MEBIBYTE;
    for (const [n, address] of ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2"].entries()) {
      new Caller(port, false, address).socket.write(get("/large"));
      await until(() => begun.length === n + 1);
      const response = begun[n]?.response;
      if (response === undefined) throw new Error("no response");
      connections.sending(response, bytes);
      response.end(Buffer.alloc(bytes));
    }
    const sockets = begun.map(({ request }) => request.socket);
    await until(() => sockets.some((socket) => socket.destroyed));
    expect(sockets.map((socket) => socket.destroyed)).toEqual([false, true, false, false]);
  });

  it("count no more once they are read", async () => {
    const { port, begun, connections } = await serve({ perAddress: undefined, unreadBytes: 10 * MEBIBYTE });
    for (let n = 0; n < 10; n += 1) {
      const caller = new Caller(port);
      caller.socket.write(get("/large"));
      await until(() => begun.length === n + 1);
      const response = begun[n]?.response;
      if (response === undefined) throw new Error("no response");
      connections.sending(response, 6 * MEBIBYTE);
      response.end("x".repeat(6 * MEBIBYTE));
      await until(() => caller.received.length > 6 * MEBIBYTE);
      await until(() => response.closed);
    }
    expect(begun.filter(({ request }) => request.socket.destroyed)).toEqual([]);
  });
});

describe("connections of one address", () => {
  it("are closed past the limit, as they come, which is logged once; a place becomes free again", async () => {
    const { port, begun, log } = await serve({ perAddress: 3 });
    const kept = [1, 2, 3].map(() => new Caller(port));
    for (const caller of kept) caller.socket.write(get("/kept"));
    await until(() => begun.length === 3);
    for (let n = 0; n < 4; n += 1) {
      const more = new Caller(port);
      await until(() => more.closed);
    }
    expect(kept.map(({ closed }) => closed)).toEqual([false, false, false]);
    expect(log).toEqual([[expect.stringContaining("address"), { address: "127.0.0.1", limit: 3 }]]);
    kept[0]?.socket.destroy();
    await until(() => begun[0]?.request.socket.destroyed === true || begun[0]?.response.closed === true);
    await new Promise((resolve) => setImmediate(resolve));
    const next = new Caller(port);
    next.socket.write(get("/next"));
    await until(() => begun.length === 4);
  });

  it("are not counted where a proxy stands between", async () => {
    const { port, begun } = await serve({ perAddress: undefined });
    for (let n = 0; n < 20; n += 1) new Caller(port).socket.write(get("/x"));
    await until(() => begun.length === 20);
  });
});
