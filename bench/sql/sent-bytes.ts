import type { config } from "mssql";
import type { Connection } from "tedious";

/** Counts the bytes that the sessions of a pool send, by the sockets of the driver. */
export class SentBytes {
  readonly #sessions: Connection[] = [];

  /** Adds itself to the sessions of a pool. */
  watch(settings: config): config {
    const { beforeConnect } = settings;
    return {
      ...settings,
      beforeConnect: (connection) => {
        beforeConnect?.(connection);
        this.#sessions.push(connection);
      },
    };
  }

  /** Since the sessions were opened. */
  total(): number {
    return this.#sessions.reduce((sum, session) => sum + bytesOf(session), 0);
  }
}

function bytesOf(session: object): number {
  const socket = "socket" in session ? session.socket : undefined;
  if (typeof socket !== "object" || socket === null || !("bytesWritten" in socket)) return 0;
  return Number(socket.bytesWritten);
}
