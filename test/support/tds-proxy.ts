import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * A TCP proxy in front of a SQL server that speaks enough TDS to know where a request and an answer end (packets have a
 * header of eight bytes: type, status, length), so that it can lose exactly one of them. Works without encryption only.
 * https://learn.microsoft.com/openspecs/windows_protocols/ms-tds
 */
export interface TdsProxy {
  readonly port: number;
  /** Requests (batches and calls, no logins) that have arrived since the start. */
  requests(): number;
  /** Loses the answer to the next request but `after`, once it is there in full: what was asked is done, the caller never hears. */
  loseAnswer(after?: number): void;
  /** Loses the next request but `after`: nothing of it is done. */
  loseRequest(after?: number): void;
  /** How many answers and requests have been lost. */
  lost(): number;
  /** Cuts every connection, whatever it is doing. */
  cutAll(): void;
  /** Away: connections are cut and new ones refused. */
  leave(): Promise<void>;
  /** Silent: what arrives is taken and nothing answered, logins included. */
  silence(): void;
  /** Back again, on the same port; connections made before are not. */
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

const HEADER_BYTES = 8;
const LAST_PACKET = 0x01;
const SQL_BATCH = 0x01;
const REMOTE_CALL = 0x03;

/** Puts the chunks of a stream together to messages: packets up to the one that is marked as the last. */
class Messages {
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;

  /** The messages that end in this chunk. */
  take(chunk: Buffer): Buffer[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const messages: Buffer[] = [];
    while (this.#bytes.length >= this.#end + HEADER_BYTES) {
      const length = this.#bytes.readUInt16BE(this.#end + 2);
      if (this.#bytes.length < this.#end + length) break;
      const isLast = ((this.#bytes[this.#end + 1] ?? 0) & LAST_PACKET) !== 0;
      this.#end += length;
      if (!isLast) continue;
      messages.push(this.#bytes.subarray(0, this.#end));
      this.#bytes = this.#bytes.subarray(this.#end);
      this.#end = 0;
    }
    return messages;
  }
}

interface Loss {
  what: "answer" | "request";
  after: number;
}

export async function startTdsProxy(host: string, targetPort: number): Promise<TdsProxy> {
  const sockets = new Set<Socket>();
  let loss: Loss | undefined;
  let requests = 0;
  let lost = 0;
  let silent = false;

  /** What is to be lost of the request that has just arrived. */
  function nextLoss(): Loss["what"] | undefined {
    requests += 1;
    if (loss === undefined) return undefined;
    if (loss.after > 0) {
      loss.after -= 1;
      return undefined;
    }
    const { what } = loss;
    loss = undefined;
    lost += 1;
    return what;
  }

  function serve(caller: Socket): void {
    const service = connect(targetPort, host);
    const asked = new Messages();
    let prepared = false;
    let answer: Messages | undefined;
    for (const socket of [caller, service]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    caller.on("close", () => service.destroy());
    service.on("close", () => caller.destroy());
    caller.on("data", (chunk) => {
      for (const message of asked.take(chunk)) {
        if (silent) return;
        const isRequest = message[0] === REMOTE_CALL || (message[0] === SQL_BATCH && prepared);
        // The first batch of a connection is the driver's own: its SET options.
        prepared ||= message[0] === SQL_BATCH;
        const losing = isRequest ? nextLoss() : undefined;
        if (losing === "request") {
          caller.destroy();
          return;
        }
        if (losing === "answer") answer = new Messages();
        service.write(message);
      }
    });
    service.on("data", (chunk) => {
      if (silent) return;
      if (answer === undefined) caller.write(chunk);
      else if (answer.take(chunk).length > 0) caller.destroy();
    });
  }

  const server: Server = createServer(serve);
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const leave = async () => {
    cutAll();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    requests: () => requests,
    loseAnswer: (after = 0) => {
      loss = { what: "answer", after };
    },
    loseRequest: (after = 0) => {
      loss = { what: "request", after };
    },
    lost: () => lost,
    cutAll,
    leave,
    silence: () => {
      silent = true;
    },
    comeBack: async () => {
      silent = false;
      cutAll();
      if (!server.listening) await listen(port);
    },
    close: leave,
  };
}
