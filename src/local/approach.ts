import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Approach, ShownCertificate } from "../lib/security/gate.ts";

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

export function approachOf(message: IncomingMessage): Approach {
  const read = headerReader(message);
  return {
    // Of several Authorization headers node keeps the first and drops the rest; we must see that there were several.
    header: (name) => (name === "authorization" ? message.headersDistinct[name]?.join(",") : read(name)),
    remoteAddress: () => message.socket.remoteAddress,
    clientCertificate: () => shown(message.socket),
  };
}
