import type { Server } from "node:http";
import type { Socket } from "node:net";
import { problemReply, type RawReply } from "../lib/http/problem.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import type { Connections } from "./connections.ts";

/**
 * Answers what node's parser could not read: there is no request, only a socket. What came before it on the connection, whole, is
 * answered first: a request that was carried out must not be taken for a refused one.
 */
export function answerBrokenHttp(error: BrokenHttp, socket: Socket, connections: Connections): void {
  connections.afterLast(socket, () => answer(error, socket));
}

/**
 * Answers CONNECT, for which node has no answer of its own: it would close the connection, and what was carried out before on it
 * would never be answered. https://nodejs.org/api/http.html#event-connect
 */
export function refuseConnect(server: Server, connections: Connections): void {
  server.on("connect", (_request, socket: Socket) => {
    // Node has taken its own listeners away.
    socket.on("error", () => socket.destroy());
    // Reads on, so that the end of the connection is noticed.
    socket.resume();
    const detail = "CONNECT is not supported: this is not a proxy.";
    const error = new AgentCommunicationError("METHOD_NOT_ALLOWED", detail, { allow: SERVED_METHODS });
    connections.afterLast(socket, () => write(problemReply(error), "Method Not Allowed", socket));
  });
}

/** Those of the route table. */
const SERVED_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"];

type BrokenHttp = Error & { code?: string };

function answer(error: BrokenHttp, socket: Socket): void {
  // A handshake that failed leaves nothing to speak over.
  const failedHandshake = /^ERR_(?:SSL|TLS)_/.test(error.code ?? "");
  if (failedHandshake || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
  const problem = problemReply(
    tooLarge
      ? new AgentCommunicationError("PAYLOAD_TOO_LARGE", "The path and headers are too large.")
      : new AgentCommunicationError("INVALID_REQUEST", "The request is not valid HTTP, or did not arrive in time."),
  );
  write(problem, tooLarge ? "Payload Too Large" : "Bad Request", socket);
}

/** The last answer of a connection, which closes behind it. */
function write(problem: RawReply, reason: string, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const headers = {
    ...problem.headers,
    "content-length": String(Buffer.byteLength(problem.text)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${reason}\r\n${lines.join("")}\r\n${problem.text}`);
}
