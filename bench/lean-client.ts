import { connect, type Socket } from "node:net";

/** One kept-alive connection, one request at a time, as few instructions as HTTP/1.1 allows: the client must not be what is measured. */
export class LeanConnection {
  readonly #socket: Socket;
  /** Of each request. */
  readonly #headers: string;
  #received = "";
  #done: ((reply: { status: number; body: string }) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  /** @param token shown with each request */
  constructor(host: string, port: number, token?: string) {
    const authorization = token === undefined ? "" : `authorization: Bearer ${token}\r\n`;
    this.#headers = `host: ${host}:${port}\r\n${authorization}`;
    this.#socket = connect(port, host);
    this.#socket.setNoDelay(true);
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text) => this.#receive(String(text)));
    this.#socket.on("error", (error) => this.#failed?.(error));
    this.#socket.on("close", () => this.#failed?.(new Error("the server closed the connection")));
  }

  /** Sends and waits for the reply. `body` is ASCII. */
  request(
    method: string,
    path: string,
    body = "",
    type = "application/json",
  ): Promise<{ status: number; body: string }> {
    const entity =
      body === "" ? "content-length: 0\r\n" : `content-type: ${type}\r\ncontent-length: ${body.length}\r\n`;
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#socket.write(`${method} ${path} HTTP/1.1\r\n${this.#headers}${entity}\r\n${body}`, "latin1");
    });
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#received.slice(0, end).toLowerCase();
    const status = Number(head.slice(9, 12));
    const rest = this.#received.slice(end + 4);
    const length = /content-length: (\d+)/.exec(head)?.[1];
    if (length !== undefined) {
      if (rest.length >= Number(length)) this.#finish(status, rest);
    } else if (status === 204) this.#finish(status, "");
    else if (rest.endsWith("0\r\n\r\n")) this.#finish(status, rest);
  }

  #finish(status: number, body: string): void {
    this.#received = "";
    this.#done?.({ status, body });
  }
}
