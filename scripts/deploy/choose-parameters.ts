import { copyFileSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * azd takes infra/main.bicepparam. This puts there the file that AGENTS_PARAMETERS names (dev, the default, or prod): its
 * parameters are read from azd's environment, so the copy is the same for all and kept out of the repository.
 */

const infra = new URL("../../infra/", import.meta.url);
const chosen = process.env.AGENTS_PARAMETERS || "dev";
const source = new URL(`main.${chosen}.bicepparam`, infra);
if (!/^[a-z0-9-]+$/.test(chosen) || !existsSync(fileURLToPath(source))) {
  console.error(`choose-parameters: AGENTS_PARAMETERS is ${chosen}, but there is no infra/main.${chosen}.bicepparam`);
  process.exitCode = 1;
} else {
  copyFileSync(source, new URL("main.bicepparam", infra));
  console.log(`parameters: infra/main.${chosen}.bicepparam`);
}
