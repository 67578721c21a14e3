import { cpSync } from "node:fs";

/** The build's second half: tsc compiles TypeScript only, and the store reads its T-SQL and migrations beside its own code. */
for (const folder of ["sqlite/migrations", "mssql/migrations", "mssql/procedures"]) {
  cpSync(`src/lib/store/${folder}`, `dist/lib/store/${folder}`, { recursive: true });
}
