import type { Socket } from "node:net";
import { AgentCommunicationError } from "../lib/errors.ts";
import { problemReply } from "../lib/http/problem.ts";
import type { Connections } from "./connections.ts";

/**
 * Answers what node's parser could not read: there is no request, only a socket. What came before it on the connection, whole, is
 * answered first: a request that was carried out must not be taken for a refused one.
 */
export function answerBrokenHttp(error: BrokenHttp, socket: Socket, connections: Connections): void {
  connections.afterLast(socket, () => answer(error, socket));
}

type BrokenHttp = Error & { code?: string };

function answer(error: BrokenHttp, socket: Socket): void {
  // A handshake that failed leaves nothing to speak over.
  const failedHandshake = /^ERR_(?:SSL|TLS)_/.test(error.code ?? "");
  if (!socket.writable || failedHandshake || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
  const problem = problemReply(
    tooLarge
      ? new AgentCommunicationError("PAYLOAD_TOO_LARGE", "The path and headers are too large.")
      : new AgentCommunicationError("INVALID_REQUEST", "The request is not valid HTTP, or did not arrive in time."),
  );
  const headers = {
    ...problem.headers,
    "content-length": String(Buffer.byteLength(problem.text)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = tooLarge ? "Payload Too Large" : "Bad Request";
  socket.end(`HTTP/1.1 ${problem.status} ${reason}\r\n${lines.join("")}\r\n${problem.text}`);
}
