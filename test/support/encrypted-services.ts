import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readConfig } from "../../src/lib/config/config.ts";
import { OffsetClock } from "../../src/lib/model/clock.ts";
import { createServices, type Services } from "../../src/lib/services.ts";
import { openStore } from "../../src/lib/store/open-store.ts";

/** The domain on a real file with a real key file, both of which a test can get its hands on. */
export class EncryptedServices {
  readonly folder: string;
  readonly clock: OffsetClock;
  services: Services;

  private constructor(folder: string, clock: OffsetClock, services: Services) {
    this.folder = folder;
    this.clock = clock;
    this.services = services;
  }

  static async start(settings: Record<string, string> = {}, clock = new OffsetClock()): Promise<EncryptedServices> {
    const folder = await mkdtemp(join(tmpdir(), "agent-communication-encrypted-"));
    return new EncryptedServices(folder, clock, await open(folder, clock, settings));
  }

  /** The same rows and keys, as another process finds them: what the first one had in memory is gone. */
  async restart(settings: Record<string, string> = {}): Promise<Services> {
    await this.#close();
    this.services = await open(this.folder, this.clock, settings);
    return this.services;
  }

  get keyFile(): string {
    return join(this.folder, "keys.jsonl");
  }

  get database(): string {
    return join(this.folder, "agents.db");
  }

  /** Rows as they are stored. */
  rows(sql: string, ...parameters: string[]): Record<string, unknown>[] {
    return this.#withDatabase((database) => database.prepare(sql).all(...parameters));
  }

  /** Changes what is stored, as somebody with access to the file could. */
  tamper(sql: string, ...parameters: string[]): void {
    this.#withDatabase((database) => database.prepare(sql).run(...parameters));
  }

  /** Whether a text is anywhere in the files of the database, what is not yet checkpointed included. */
  async holds(text: string): Promise<boolean> {
    const files = await Promise.all(
      ["", "-wal"].map((suffix) => readFile(`${this.database}${suffix}`).catch(() => "")),
    );
    return files.some((bytes) => bytes.includes(text));
  }

  async stop(): Promise<void> {
    await this.#close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #close(): Promise<void> {
    this.services.messages.close();
    await this.services.store.close();
  }

  #withDatabase<Result>(act: (database: DatabaseSync) => Result): Result {
    const database = new DatabaseSync(this.database, { timeout: 5_000 });
    try {
      return act(database);
    } finally {
      database.close();
    }
  }
}

async function open(folder: string, clock: OffsetClock, settings: Record<string, string>): Promise<Services> {
  const config = readConfig({
    AGENT_MOCK_DATABASE: join(folder, "agents.db"),
    // However far a test moves time.
    AGENT_HEARTBEAT_TIMEOUT: "31000000",
    ...settings,
  });
  return createServices({ config, clock, store: await openStore(config, clock) });
}
