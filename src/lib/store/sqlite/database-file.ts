import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { BUSY, sqliteCode } from "./faults.ts";

/** How the file of a database comes to be. */

/** Payloads are in it in the clear, except sensitive ones. */
const FILE_MODE = 0o600;

/**
 * Makes a new file readable by its owner alone; its -wal and -shm files get the same mode. A file that exists keeps the mode that it
 * has, and is not opened here: closing it would release the locks of every other connection of this process to it.
 * https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
 */
export function makeFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  if (existsSync(file)) return;
  try {
    closeSync(openSync(file, "ax", FILE_MODE));
  } catch (error) {
    // Another process has made it in between.
    if (!(typeof error === "object" && error !== null && "code" in error && error.code === "EEXIST")) throw error;
  }
}

/** How often the switch to WAL is tried while other processes are opening the same new file. */
const WAL_TRIES = 100;

/**
 * The switch itself does not wait for a lock, even with a busy timeout: of two processes that open a new file at
 * once, one is refused. Taking and leaving the write lock does wait, until the other is done.
 */
export function switchToWal(database: DatabaseSync): void {
  for (let left = WAL_TRIES; ; left -= 1) {
    try {
      database.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (left === 0 || sqliteCode(error) !== BUSY) throw error;
      database.exec("BEGIN IMMEDIATE; COMMIT");
    }
  }
}
