import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { azShown } from "./azure-cli.ts";
import { readDeployment } from "./deployment.ts";

/**
 * npm run deploy:package -- [--environment <name>] [--package out/package.zip]
 *
 * Deploys a package that `npm run package` has made, or made once: rolling back is deploying the one before.
 */

const { values } = parseArgs({
  options: { environment: { type: "string" }, package: { type: "string", default: "out/package.zip" } },
});
try {
  if (!existsSync(values.package)) throw new Error(`there is no ${values.package}: npm run package`);
  const { AZURE_RESOURCE_GROUP, FUNCTION_APP_NAME } = readDeployment();
  const app = ["--resource-group", AZURE_RESOURCE_GROUP, "--name", FUNCTION_APP_NAME];
  azShown("functionapp", "deployment", "source", "config-zip", ...app, "--src", values.package);
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
