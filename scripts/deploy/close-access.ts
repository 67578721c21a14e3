import { readDeployment } from "./deployment.ts";
import { closeAll } from "./temporary-access.ts";

/** npm run deploy:close-access -- [--environment <name>]: takes away what prepare.ts may have left open; before `azd down`. */

try {
  const deployment = readDeployment();
  if (!deployment.PRIVATE_NETWORKING) closeAll(deployment);
} catch (error) {
  console.error(`close-access: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
