import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Approach, ShownCertificate } from "../lib/gates/gate.ts";

/** What the gate sees of a request to the local host. */

/** The value of a header by its lower-case name; repeated ones joined by commas. */
export type HeaderReader = (name: string) => string | undefined;

export function headerReader(message: IncomingMessage): HeaderReader {
  return (name) => {
    const value = message.headers[name];
    return typeof value === "string" || value === undefined ? value : value.join(",");
  };
}

/** A handshake's certificate stays the connection's. */
const shownBy = new WeakMap<Socket, ShownCertificate | "none">();

function shown(socket: Socket): ShownCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  let certificate = shownBy.get(socket);
  if (certificate === undefined) {
    const der = socket.getPeerX509Certificate()?.raw;
    certificate = der === undefined ? "none" : { der, trusted: socket.authorized };
    shownBy.set(socket, certificate);
  }
  return certificate === "none" ? undefined : certificate;
}

/** Read off the raw lines: node's own list of all headers with their repetitions costs 4 µs a request. */
function everyAuthorization({ headers, rawHeaders }: IncomingMessage): string | undefined {
  const first = headers.authorization;
  if (first === undefined) return undefined;
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length === "authorization".length && name.toLowerCase() === "authorization") {
      values.push(rawHeaders[index + 1] ?? "");
    }
  }
  return values.length === 1 ? first : values.join(",");
}

export function approachOf(message: IncomingMessage): Approach {
  const read = headerReader(message);
  return {
    // Of several Authorization headers node keeps the first and drops the rest; we must see that there were several.
    header: (name) => (name === "authorization" ? everyAuthorization(message) : read(name)),
    remoteAddress: () => message.socket.remoteAddress,
    clientCertificate: () => shown(message.socket),
  };
}
