import { spawnSync } from "node:child_process";

/** The Azure CLI, which is signed in as whoever deploys. */

// On Windows az is a batch file, which only a shell runs.
const SHELL = process.platform === "win32";

/**
 * Runs `az` and gives what it prints.
 *
 * @throws Error with what it says, when it fails
 * @example az("account", "show", "--query", "id", "--output", "tsv")
 */
export function az(...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync("az", args, {
    encoding: "utf8",
    shell: SHELL,
    maxBuffer: 64 * 1_024 * 1_024,
  });
  if (error !== undefined) throw new Error(`the Azure CLI (az) cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(`az ${args.slice(0, 4).join(" ")}: ${stderr.trim() || `exit code ${status}`}`);
  return stdout.trim();
}

/** The same, with its output shown as it comes: for what takes minutes. @throws Error when it fails */
export function azShown(...args: readonly string[]): void {
  const { status, error } = spawnSync("az", args, { stdio: ["ignore", "inherit", "inherit"], shell: SHELL });
  if (error !== undefined) throw new Error(`the Azure CLI (az) cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(`az ${args.slice(0, 4).join(" ")}: exit code ${status}`);
}
