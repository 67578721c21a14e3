import { buildProcedure, inSlot, readRelease } from "../src/lib/store/mssql/procedure-files.ts";
import { helpIfAsked } from "./help.ts";

/**
 * npm run sql                     lists the procedures of this release
 * npm run sql -- complete-tasks   prints one of them as it is created, with what it includes
 */

const HELP = `
npm run sql                     lists the procedures of this release
npm run sql -- complete-tasks   prints one of them as it is created, with what it includes`;

function main(): void {
  helpIfAsked(HELP);
  const [name] = process.argv.slice(2);
  const { procedures, hash } = readRelease();
  if (name === undefined) {
    for (const procedure of procedures) console.log(procedure.name);
    return;
  }
  const wanted = name.replaceAll("-", "_");
  const found = procedures.find((procedure) => procedure.name === wanted);
  if (found === undefined) {
    console.error(`sql: there is no procedure ${wanted}; npm run sql lists them`);
    process.exitCode = 1;
    return;
  }
  process.stdout.write(inSlot(buildProcedure(found.files[0] ?? "").sql, "release_a", hash));
}

main();
