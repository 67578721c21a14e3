import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Connections on which no request has arrived yet: node does not count them as idle, and a client that keeps one in
 * reserve, or in the middle of a handshake, would hold up the stop for the whole grace.
 */
export class SilentConnections {
  /** By the other end's address and port: of TLS, requests name another socket than connections do. */
  readonly #sockets = new Map<string, Socket>();

  watch(server: Server): void {
    const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
    server.on("connection", (socket: Socket) => {
      const name = nameOf(socket);
      this.#sockets.set(name, socket);
      socket.once("close", () => {
        if (this.#sockets.get(name) === socket) this.#sockets.delete(name);
      });
    });
    server.on("request", (request: IncomingMessage) => this.#sockets.delete(nameOf(request.socket)));
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}
