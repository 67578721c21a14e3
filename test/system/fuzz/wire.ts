import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";

/** Requests as bytes: nothing between the fuzzer and the server corrects them. */

const CALL_MILLISECONDS = 15_000;
/** A kept connection may be closed by the server in the very moment in which it is used again. */
const MAX_TRIES = 3;

export interface FuzzRequest {
  method: string;
  /** With query, percent-encoded or not: it is sent as it is. */
  path: string;
  headers: Record<string, string | string[]>;
  body?: Buffer | undefined;
  /** What is odd about it, for failures. */
  why: string;
}

export interface FuzzReply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** Sends on kept connections, a few at a time. */
export class Wire {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16, scheduling: "fifo" });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async send(request: FuzzRequest): Promise<FuzzReply> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(request);
      } catch (error) {
        const lost =
          error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
        if (!lost || tries === MAX_TRIES) throw error;
      }
    }
  }

  #once({ method, path, headers, body }: FuzzRequest): Promise<FuzzReply> {
    const { promise, resolve, reject } = Promise.withResolvers<FuzzReply>();
    const length = body === undefined ? {} : { "content-length": String(body.length) };
    const outgoing = httpRequest(
      { host: "127.0.0.1", port: this.#port, agent: this.#agent, method, path, headers: { ...length, ...headers } },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text });
        });
      },
    );
    outgoing.setTimeout(CALL_MILLISECONDS, () =>
      outgoing.destroy(new Error(`no answer to ${method} ${path.slice(0, 200)}`)),
    );
    outgoing.on("error", reject);
    outgoing.end(body);
    return promise;
  }

  /** Writes these very bytes to a connection of its own. @returns what came back until the server closed or 5 s passed */
  async raw(bytes: Buffer | string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let answer = "";
    const socket = connect(this.#port, "127.0.0.1");
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
    });
    // A reset is an end, too; what matters is what was answered and that the server lives.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve());
    socket.end(bytes);
    await promise;
    return answer;
  }

  close(): void {
    this.#agent.destroy();
  }
}
