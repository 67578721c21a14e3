import type { Server } from "node:http";
import type { Socket } from "node:net";
import { sourceOfAddress } from "../lib/gates/source.ts";
import type { Clock } from "../lib/model/clock.ts";

/**
 * New connections of an address that has just sent ahead more than it may are served one by one, with pauses. Node reads 64 KiB of
 * a connection at once, 2,300 requests and 14 ms of work, before anything here can close it: of 64 callers that connect anew each
 * time, everybody else heard after 600 ms, now after 10. Nobody is refused: a neighbour behind the same address waits its turn.
 */

/** For so long after the last time. */
const SLOWED_MILLISECONDS = 10_000;
const PAUSE_MILLISECONDS = 50;
/** Connections of one address that wait for their turn, 64 KiB each; further ones are closed. */
const WAITING_MAX = 100;

interface Slowed {
  until: number;
  waiting: Set<() => void>;
}

export class Arrivals {
  readonly #clock: Clock;
  readonly #slowed = new Map<string, Slowed>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Comes between the server's socket and those that listen for its connections now. */
  watch(server: Server): void {
    const listeners = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => {
      const serve = () => {
        for (const listener of listeners) Reflect.apply(listener, server, [socket]);
      };
      const slowed = this.#slowed.get(sourceOfAddress(socket.remoteAddress));
      if (slowed === undefined) serve();
      else this.#wait(slowed, socket, serve);
    });
    server.once("close", () => this.#slowed.clear());
  }

  /** A connection of this address has been closed for what it sent ahead. */
  slow(address: string): void {
    const until = this.#clock.monotonic() + SLOWED_MILLISECONDS;
    const known = this.#slowed.get(address);
    if (known !== undefined) {
      known.until = until;
      return;
    }
    const slowed: Slowed = { until, waiting: new Set() };
    this.#slowed.set(address, slowed);
    this.#serveNext(address, slowed);
  }

  #wait(slowed: Slowed, socket: Socket, serve: () => void): void {
    if (slowed.waiting.size >= WAITING_MAX) {
      socket.destroy();
      return;
    }
    // Until it is served nobody listens: an error would end the process.
    const ignore = () => {};
    socket.on("error", ignore);
    const inTurn = () => {
      socket.off("error", ignore);
      serve();
    };
    slowed.waiting.add(inTurn);
    socket.once("close", () => slowed.waiting.delete(inTurn));
  }

  #serveNext(address: string, slowed: Slowed): void {
    this.#clock.after(PAUSE_MILLISECONDS, () => {
      const [serve] = slowed.waiting;
      if (serve !== undefined) {
        slowed.waiting.delete(serve);
        serve();
      } else if (this.#clock.monotonic() >= slowed.until) {
        this.#slowed.delete(address);
        return;
      }
      this.#serveNext(address, slowed);
    });
  }
}
