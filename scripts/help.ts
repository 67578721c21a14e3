/**
 * Prints `usage` and ends the process with 0 when `--help` or `-h` is among the arguments. Called first, before anything is
 * opened or started.
 */
export function helpIfAsked(usage: string): void {
  if (!process.argv.slice(2).some((word) => word === "--help" || word === "-h")) return;
  console.log(usage.trim());
  process.exit(0);
}
