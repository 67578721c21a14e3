import { cpSync } from "node:fs";

/** The build's second half: tsc compiles TypeScript only, and the store reads its migrations beside its own code. */
for (const engine of ["sqlite", "mssql"]) {
  const folder = `lib/store/${engine}/migrations`;
  cpSync(`src/${folder}`, `dist/${folder}`, { recursive: true });
}
