import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { z } from "zod";
import { METAFILE, PACKAGE_ARCHIVE, PACKAGE_FOLDER } from "../../../scripts/package/contents.ts";
import { runFile } from "../../support/run-process.ts";

/** The package as `npm run package` makes it, unpacked as the platform unpacks it, in a folder with nothing else around. */

const metafileSchema = z.object({
  outputs: z.record(z.string(), z.object({ inputs: z.record(z.string(), z.unknown()) })),
});

export interface MadePackage {
  /** What `npm run package` filled. */
  out: string;
  /** Where the archive was unpacked. */
  folder: string;
  archive: Uint8Array;
  /** Contents of the archive by path. */
  files: Readonly<Record<string, Uint8Array>>;
  /** Source files by the bundled file that has them. */
  inputs: ReadonlyMap<string, readonly string[]>;
  remove(): void;
}

export async function makePackage(): Promise<MadePackage> {
  const scratch = mkdtempSync(join(tmpdir(), "agent-communication-package-"));
  const out = join(scratch, "out");
  const made = await runFile("scripts/package/main.ts", ["--out", out, "--runs", "0"]);
  if (made.code !== 0) throw new Error(`npm run package ended with ${made.code}: ${made.error}`);
  const archive = readFileSync(join(out, PACKAGE_ARCHIVE));
  const files = unzipSync(archive);
  const folder = join(scratch, "wwwroot");
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  const { outputs } = metafileSchema.parse(JSON.parse(readFileSync(join(out, METAFILE), "utf8")));
  const inputs = new Map(
    Object.entries(outputs).map(([path, output]) => [
      path.slice(path.lastIndexOf(`${PACKAGE_FOLDER}/`) + PACKAGE_FOLDER.length + 1),
      Object.keys(output.inputs),
    ]),
  );
  return { out, folder, archive, files, inputs, remove: () => rmSync(scratch, { recursive: true, force: true }) };
}
