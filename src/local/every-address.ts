import { lookup } from "node:dns/promises";
import { createServer, isIP, type Server } from "node:net";
import type { Log } from "../lib/trace/log.ts";

/**
 * A name such as `localhost` may stand for several addresses (127.0.0.1 and ::1), and clients choose among them as they like.
 * Fastify binds all of them only without a server of one's own, so the others are bound here: each hands its connections to the
 * one HTTP server, and limits and closing are the same for all.
 */

/** The machine has no such address, or no IPv6: what the name says of it does no harm. */
const NOT_HERE = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

function isNotHere(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && NOT_HERE.has(String(error.code));
}

function listen(listener: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(port, host, () => {
      listener.off("error", reject);
      resolve();
    });
  });
}

/** The addresses that a host name stands for; an address stands for itself. */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  return [...new Set((await lookup(host, { all: true })).map(({ address }) => address))];
}

/**
 * Binds those of `addresses` that `server` is not bound to yet, on its port.
 *
 * @param server listens already
 * @returns stops listening on them; open connections are the HTTP server's
 * @throws Error EADDRINUSE when another process has the port on one of them: clients of the name would reach that one
 */
export async function listenOnOtherAddresses(
  server: Server,
  addresses: readonly string[],
  log: Log,
): Promise<() => void> {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return () => {};
  const listeners: Server[] = [];
  const close = () => {
    for (const listener of listeners) listener.close();
  };
  for (const address of addresses) {
    if (address === bound.address) continue;
    const listener = createServer((socket) => server.emit("connection", socket));
    try {
      await listen(listener, address, bound.port);
      listeners.push(listener);
    } catch (error) {
      if (!isNotHere(error)) {
        close();
        throw error;
      }
      log.info("an address of the host name is not on this machine", { address });
    }
  }
  return close;
}
