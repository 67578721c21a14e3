import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import type { Clock } from "../model/clock.ts";
import { isKeyVersion, type Key, type KeyRing, keyUnavailable, parseKeyText } from "./key-ring.ts";

/**
 * Keys in a file of the machine: a JSON object on each line, the newest version last. Lines are only ever added, each by one
 * write at the end of the file, so that two processes that add one at the same time both keep theirs.
 */

const lineSchema = z.strictObject({
  version: z.string().refine(isKeyVersion),
  createdAt: z.iso.datetime(),
  key: z.string().transform((text, context) => {
    const bytes = parseKeyText(text);
    if (bytes === undefined) context.addIssue({ code: "custom", message: "must be 32 bytes in base64url" });
    return bytes ?? z.NEVER;
  }),
});

/** For its owner only. */
const MODE = 0o600;
const OTHERS = 0o077;
/** How long a version that another process has added may go unnoticed. */
const CHECK_MILLISECONDS = 5_000;

const isCode = (error: unknown, code: string) =>
  typeof error === "object" && error !== null && "code" in error && error.code === code;

export class KeyFile implements KeyRing {
  readonly #path: string;
  readonly #clock: Clock;
  #keys: ReadonlyMap<string, Key> = new Map();
  #newest: Key | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Makes the file when it is not there. */
  async current({ fresh = false }: { fresh?: boolean } = {}): Promise<Key> {
    if (fresh || this.#clock.monotonic() - this.#checkedAt > CHECK_MILLISECONDS) {
      await this.#read();
    }
    if (this.#newest === undefined) {
      await this.#guarded(() => this.#create());
      await this.#read();
    }
    if (this.#newest === undefined) throw keyUnavailable("The key file of this service contains no key.");
    return this.#newest;
  }

  async find(version: string): Promise<Key | undefined> {
    const known = this.#keys.get(version);
    if (known !== undefined) return known;
    await this.#read();
    return this.#keys.get(version);
  }

  async add(): Promise<Key> {
    await this.current({ fresh: true });
    const { line, version } = newLine(this.#clock);
    await this.#guarded(async () => {
      const file = await open(this.#path, constants.O_WRONLY | constants.O_APPEND);
      await writeDurably(file, line);
    });
    await this.#read();
    const added = this.#keys.get(version);
    if (added === undefined)
      throw keyUnavailable("The key file of this service was changed while a key was added to it.");
    return added;
  }

  /** Reads the file; nothing when it is not there. */
  async #read(): Promise<void> {
    const checkedAt = this.#clock.monotonic();
    const text = await this.#guarded(() => readPrivate(this.#path));
    const keys = new Map<string, Key>();
    for (const [index, line] of (text ?? "").split("\n").entries()) {
      if (line === "") continue;
      const key = parseLine(line);
      if (key === undefined) throw keyUnavailable(`Line ${index + 1} of the key file of this service is not a key.`);
      keys.set(key.version, key);
    }
    this.#keys = keys;
    this.#newest = [...keys.values()].at(-1);
    this.#checkedAt = checkedAt;
  }

  /**
   * A whole file under another name first, and then the name: whoever sees the file sees all of it, and of two who make it one
   * is first. It is on the disk before anything is encrypted under it.
   */
  async #create(): Promise<void> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true });
    const draft = `${this.#path}.${randomBytes(8).toString("hex")}`;
    await writeDurably(await open(draft, "wx", MODE), newLine(this.#clock).line);
    try {
      await link(draft, this.#path);
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    } finally {
      await unlink(draft);
    }
    await syncFolder(folder);
  }

  async #guarded<Result>(act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof KeyFileError) throw keyUnavailable(error.message);
      throw keyUnavailable("The key file of this service cannot be read or written.", { cause: error });
    }
  }
}

/** Why a file is not used as it is. */
class KeyFileError extends Error {}

/** @returns undefined when it is not there */
async function readPrivate(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    const { mode } = await file.stat();
    // Windows keeps permissions elsewhere.
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      throw new KeyFileError("The key file of this service is accessible to other users: its mode must be 600.");
    }
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

function parseLine(line: string): Key | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = lineSchema.safeParse(value);
  return parsed.success ? { version: parsed.data.version, bytes: parsed.data.key } : undefined;
}

/** A new key; its version has the form of a key vault's, so that the one takes as much room as the other. */
function newLine(clock: Clock): { line: string; version: string } {
  const version = randomBytes(16).toString("hex");
  const createdAt = new Date(clock.now()).toISOString();
  const key = randomBytes(32).toString("base64url");
  return { line: `${JSON.stringify({ version, createdAt, key })}\n`, version };
}

async function writeDurably(file: FileHandle, text: string): Promise<void> {
  try {
    await file.write(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that the name outlasts a loss of power as well; where folders cannot be opened, the platform sees to it itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
