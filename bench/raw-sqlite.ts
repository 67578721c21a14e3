import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";

/**
 * The peer of the in-process figures: a hand-written queue of three statements and no features, on the same SQLite with
 * the same durability.
 */
export class RawQueue {
  readonly #database: DatabaseSync;
  readonly #payload: string;

  constructor(file: string, payload: string) {
    this.#payload = payload;
    this.#database = new DatabaseSync(file);
    this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE queue (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL, payload TEXT NOT NULL,
        status INTEGER NOT NULL DEFAULT 0, lease_expires_at INTEGER, attempt INTEGER NOT NULL DEFAULT 0);
      CREATE INDEX waiting ON queue (receiver, seq) WHERE status = 0`);
  }

  /** Does `count` cycles of insert, claim and settle, `perCommit` of each in one transaction. */
  run(count: number, perCommit: number): void {
    const insert = this.#database.prepare("INSERT INTO queue (id, receiver, payload) VALUES (?, 'worker', ?)");
    const claim = this.#database.prepare(`UPDATE queue SET status = 1, lease_expires_at = ?, attempt = attempt + 1
      WHERE seq = (SELECT seq FROM queue WHERE receiver = 'worker' AND status = 0 ORDER BY seq LIMIT 1)
      RETURNING id, payload, attempt`);
    const settle = this.#database.prepare("UPDATE queue SET status = 2 WHERE id = ? AND attempt = ? AND status = 1");
    const begin = this.#database.prepare("BEGIN IMMEDIATE");
    const commit = this.#database.prepare("COMMIT");
    for (let done = 0; done < count; done += perCommit) {
      begin.run();
      for (let index = 0; index < perCommit; index += 1) insert.run(randomUUID(), this.#payload);
      commit.run();
      begin.run();
      const claimed = Array.from({ length: perCommit }, () => claim.get(Date.now() + 60_000));
      commit.run();
      begin.run();
      for (const row of claimed) settle.run(String(row?.id), Number(row?.attempt));
      commit.run();
    }
  }

  close(): void {
    this.#database.close();
  }
}
