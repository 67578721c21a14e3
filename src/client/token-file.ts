/**
 * The file in which a process keeps its token. Node's modules are asked for when there is such a file and not imported, so that
 * the client's core can be bundled for browsers.
 */

/** Only its owner may read a token. */
const OWNER_ONLY = 0o600;

function builtin() {
  const load = globalThis.process?.getBuiltinModule;
  if (load === undefined) throw new Error("tokenFile: needs Node 20.16 or newer");
  return { files: load("node:fs/promises"), paths: load("node:path") };
}

function isMissing(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
}

/** The token in the file; undefined when there is no file, or it is empty. @throws Error when the file cannot be read */
export async function readTokenFile(path: string): Promise<string | undefined> {
  try {
    const text = (await builtin().files.readFile(path, "utf8")).trim();
    // Checked here, because the error for an invalid header would quote the file.
    if (!/^[!-~]*$/.test(text)) throw new Error(`tokenFile: ${path} contains something that is not a token`);
    return text === "" ? undefined : text;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Where the file is, when `path` is a link to it: the link stays. */
async function targetOf(path: string): Promise<string> {
  try {
    return await builtin().files.realpath(path);
  } catch (error) {
    if (isMissing(error)) return path;
    throw error;
  }
}

/**
 * Replaces the file's contents at once and durably: a process that dies in between leaves the old or the new token, never a part
 * of one. The file is its owner's alone (0600).
 *
 * @param unique makes the name of the temporary file, so that two processes do not write the same
 * @throws Error when the folder cannot be written
 */
export async function writeTokenFile(path: string, token: string, unique: string): Promise<void> {
  const { files, paths } = builtin();
  const target = await targetOf(path);
  const temporary = `${target}.${unique}.tmp`;
  try {
    const file = await files.open(temporary, "wx", OWNER_ONLY);
    try {
      await file.writeFile(`${token}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(temporary, target);
  } catch (error) {
    await files.rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(paths.dirname(target));
}

/** The new name is durable, too; where folders cannot be synced (Windows), the rename has to do. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await builtin().files.open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {}
}

/** Fails now what writing the file would fail at later, when a new token would be lost. @throws Error */
export async function checkTokenFile(path: string, unique: string): Promise<void> {
  const { files } = builtin();
  const probe = `${await targetOf(path)}.${unique}.tmp`;
  await files.writeFile(probe, "", { flag: "wx", mode: OWNER_ONLY });
  await files.rm(probe);
}
