import { cpus, totalmem } from "node:os";
import { helpIfAsked } from "../scripts/help.ts";
import { benchInProcess } from "./in-process.ts";

/**
 * `npm run bench [-- --rounds 5] [-- --only in-process,http,asking,scale,workflow]`: rates and ratios, measured in one run on this machine,
 * with everything durable (WAL, synchronous = FULL). `-- --store sql` measures the Azure SQL store instead, on the server that
 * AZURE_SQL_* name (bench/sql/main.ts). Nothing here asserts.
 */

helpIfAsked(`
npm run bench [-- --rounds 5] [--only in-process,http,asking,scale,workflow]     rates and ratios of the embedded store
npm run bench -- --only workflow [--against ../before] [--pg-boss ../peer --postgres postgres://…]   workflows; beside another checkout,
                                                                 and beside pg-boss as installed in that folder
npm run bench -- --hostile 20 [--only "all at once"]             an honest agent beside 64 hostile ones, so many seconds for each kind
npm run bench -- --store sql [--only pairs,callers,flat,workflow]  the same of Azure SQL, on the server that AZURE_SQL_* name
npm run bench -- --store sql --against ../before                  and of the build of another checkout, in the same run`);

const options = new Map<string, string>();
for (let index = 2; index < process.argv.length; index += 2) {
  options.set(String(process.argv[index]), String(process.argv[index + 1]));
}
const rounds = Number(options.get("--rounds") ?? 5);
const only = options.get("--only")?.split(",") ?? ["in-process", "http", "scale"];

console.log(
  `Node ${process.version}, SQLite ${process.versions.sqlite}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
);
if (options.has("--hostile")) {
  const { benchHostile } = await import("./hostile/main.ts");
  await benchHostile(Number(options.get("--hostile")) || 20, options.get("--only")?.split(";"));
} else if (options.get("--store") === "sql") {
  const { benchSql } = await import("./sql/main.ts");
  const asked = options.get("--only")?.split(",") ?? ["pairs", "callers", "flat", "workflow"];
  const messages = Number(options.get("--messages") ?? 1_000_000);
  const [filled, against] = [options.get("--large"), options.get("--against")];
  await benchSql({ rounds, only: asked, messages, filled, against });
} else {
  if (only.includes("in-process")) await benchInProcess(rounds);
  if (only.includes("http")) await (await import("./http.ts")).benchHttp(rounds);
  if (only.includes("asking")) await (await import("./http.ts")).benchAsking(rounds);
  if (only.includes("workflow")) {
    const { benchWorkflows } = await import("./workflow/main.ts");
    const [against, pgBoss, postgres] = ["--against", "--pg-boss", "--postgres"].map((name) => options.get(name));
    await benchWorkflows(rounds, { against, pgBoss, postgres });
  }
  if (only.includes("scale")) await (await import("./scale.ts")).benchScale(rounds);
}
