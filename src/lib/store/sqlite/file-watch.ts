import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { stopwatch } from "../../model/clock.ts";
import { BATCH_REQUEST_MAX_BYTES } from "../../model/limits.ts";

/**
 * Whether the files of an open database are still the ones that their names lead to. SQLite keeps working on a file that was
 * deleted or replaced: what it commits then is acknowledged, and lost when the process ends.
 * https://www.sqlite.org/howtocorrupt.html#unlinking_or_renaming_a_database_file_while_in_use
 */

/** A look costs 5 µs, a commit 60 and more: one look in many commits is not noticed. */
const LOOK_MILLISECONDS = 100;

/** The log and its index exist for as long as a connection is open; a new log would hide what is only in the old one. */
const SUFFIXES = ["", "-wal", "-shm"] as const;

/** What the largest batch takes: in the log first, then in the file itself. */
const ROOM_BYTES = 2 * BATCH_REQUEST_MAX_BYTES;

function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`;
}

/** Remembers which files were opened. */
export class FileWatch {
  readonly #paths: readonly string[];
  readonly #identities = new Map<string, string>();
  #sinceLook = stopwatch();

  /** @param file the main file, just opened in WAL mode; `:memory:` has no files, and nothing can happen to it */
  constructor(file: string) {
    this.#paths = file === ":memory:" ? [] : SUFFIXES.map((suffix) => file + suffix);
    this.findLost(true);
  }

  /** Whether the disk has room for the largest call. A small commit can succeed on a full disk, in what the log has left over. */
  hasRoom(): boolean {
    const [file] = this.#paths;
    if (file === undefined) return true;
    const { bavail, bsize } = statfsSync(dirname(file));
    return bavail * bsize >= ROOM_BYTES;
  }

  /**
   * Looks again, unless it has just looked.
   *
   * @param now look, whenever the last look was
   * @returns the path that leads to another file than it did, or to none
   */
  findLost(now = false): string | undefined {
    if (!now && this.#sinceLook() < LOOK_MILLISECONDS) return undefined;
    this.#sinceLook = stopwatch();
    return this.#paths.find((path) => {
      const identity = identityOf(path);
      const known = this.#identities.get(path);
      if (known === undefined && identity !== undefined) this.#identities.set(path, identity);
      return known !== undefined && identity !== known;
    });
  }
}
