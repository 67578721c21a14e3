import { readFileSync, statSync } from "node:fs";
import type { Clock } from "../model/clock.ts";

/** How often, at most, a file is looked at. */
export const WATCHED_FILE_MILLISECONDS = 5_000;

export interface WatchedFileOptions<Content> {
  clock: Clock;
  /** Makes something of the text. What it throws at the first reading is thrown; later the last good content stays. */
  parse(text: string): Content;
  /** Told why a changed file could not be used. */
  failed?(error: unknown): void;
}

/**
 * A file that may change while we run. There is no watcher and no timer: who needs the content looks at the file, at most
 * every WATCHED_FILE_MILLISECONDS, and reads it again when it has changed.
 *
 * @example
 * const lists = new WatchedFile("revoked.pem", { clock, parse: readRevocationLists });
 * lists.current();
 */
export class WatchedFile<Content> {
  readonly #path: string;
  readonly #options: WatchedFileOptions<Content>;
  #content: Content;
  #stamp: string;
  #lookedAt: number;
  #version = 1;

  /** @throws Error of the file system, and what `parse` throws */
  constructor(path: string, options: WatchedFileOptions<Content>) {
    this.#path = path;
    this.#options = options;
    this.#lookedAt = options.clock.monotonic();
    this.#stamp = this.#look();
    this.#content = options.parse(readFileSync(path, "utf8"));
  }

  /** What the file holds, or held when it could last be used. */
  current(): Content {
    this.#refresh();
    return this.#content;
  }

  /** Grows with each content: for what is made from it. */
  version(): number {
    this.#refresh();
    return this.#version;
  }

  #refresh(): void {
    const { clock, parse, failed } = this.#options;
    const now = clock.monotonic();
    if (Math.abs(now - this.#lookedAt) < WATCHED_FILE_MILLISECONDS) return;
    this.#lookedAt = now;
    try {
      const stamp = this.#look();
      if (stamp === this.#stamp) return;
      this.#content = parse(readFileSync(this.#path, "utf8"));
      this.#stamp = stamp;
      this.#version += 1;
    } catch (error) {
      // Half written, perhaps: it is looked at again.
      failed?.(error);
    }
  }

  /** Changes whenever the file does. */
  #look(): string {
    const { ino, size, mtimeNs } = statSync(this.#path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  }
}
