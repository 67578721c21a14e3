import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/lib/model/clock.ts";
import { az, azShown } from "./azure-cli.ts";
import { type Deployment, databaseVariables, readDeployment } from "./deployment.ts";
import { addressSeenBy } from "./own-address.ts";
import { withAccess } from "./temporary-access.ts";

/**
 * npm run deploy:prepare -- [--environment <name>]
 *
 * Between provisioning and deploying: makes the database ready (prepare-database.ts). Where it has no public address, a job does
 * it in the network, from an image that is built here and now; otherwise this machine does, let in for as long as it takes.
 */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const POLL_MILLISECONDS = 10_000;
/** As long as the job may take (infra/modules/migration-job.bicep). */
const JOB_MILLISECONDS = 7_200_000;

async function prepareHere(deployment: Deployment): Promise<void> {
  const run = async () => {
    const child = spawn(process.execPath, ["scripts/deploy/prepare-database.ts"], {
      cwd: ROOT,
      stdio: "inherit",
      env: { ...process.env, ...databaseVariables(deployment) },
    });
    // Who stops us stops it, too.
    process.once("exit", () => child.kill());
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`prepare-database ended with ${code}`);
  };
  const address = await addressSeenBy(deployment);
  if (address === undefined) await run();
  else await withAccess(deployment, address, run);
}

/** The version that is deployed: what the workflow says, or the commit. */
function version(): string {
  const { GITHUB_SHA: sha } = process.env;
  if (sha !== undefined && sha !== "") return sha;
  const { status, stdout } = spawnSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : String(systemClock.now());
}

async function prepareInNetwork(deployment: Deployment): Promise<void> {
  const { AZURE_RESOURCE_GROUP, CONTAINER_REGISTRY_NAME, MIGRATION_JOB_NAME } = deployment;
  const job = ["--resource-group", AZURE_RESOURCE_GROUP, "--name", MIGRATION_JOB_NAME];
  const image = `prepare:${version()}`;
  azShown(
    "acr",
    "build",
    "--registry",
    CONTAINER_REGISTRY_NAME,
    "--image",
    image,
    "--file",
    "scripts/deploy/Dockerfile",
    ROOT,
  );
  az(
    "containerapp",
    "job",
    "update",
    ...job,
    "--container-name",
    "prepare",
    "--image",
    `${CONTAINER_REGISTRY_NAME}.azurecr.io/${image}`,
  );
  const execution = az("containerapp", "job", "start", ...job, "--query", "name", "--output", "tsv");
  console.log(`${MIGRATION_JOB_NAME}: ${execution} started`);
  const end = systemClock.now() + JOB_MILLISECONDS;
  const poll = Number(process.env.PREPARE_POLL_MILLISECONDS ?? POLL_MILLISECONDS);
  for (;;) {
    const status = az(
      "containerapp",
      "job",
      "execution",
      "show",
      ...job,
      "--job-execution-name",
      execution,
      "--query",
      "properties.status",
      "--output",
      "tsv",
    );
    if (status === "Succeeded") break;
    if (status === "Failed" || status === "Stopped" || status === "Degraded" || systemClock.now() > end) {
      azShown(
        "containerapp",
        "job",
        "logs",
        "show",
        ...job,
        "--execution",
        execution,
        "--container",
        "prepare",
        "--tail",
        "100",
      );
      throw new Error(`${MIGRATION_JOB_NAME}: ${execution} ${status}`);
    }
    await systemClock.sleep(poll);
  }
  console.log(`${MIGRATION_JOB_NAME}: ${execution} succeeded`);
}

/** The migrator must be an administrator of the database; who may not put it into the group is told what to ask for. */
function ensureMember({ SQL_ADMINISTRATOR_GROUP_ID: group, MIGRATOR_PRINCIPAL_ID: member }: Deployment): void {
  const known = ["--group", group, "--member-id", member];
  try {
    if (az("ad", "group", "member", "check", ...known, "--query", "value", "--output", "tsv") === "true") return;
    az("ad", "group", "member", "add", ...known);
    console.log(`the migrator ${member} is now a member of ${group}`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.warn(`could not see to it that the migrator is a member of the administrators' group: ${message}`);
    console.warn(`an owner of the group does it once: az ad group member add --group ${group} --member-id ${member}`);
  }
}

async function main(): Promise<void> {
  const deployment = readDeployment();
  if (!deployment.PRIVATE_NETWORKING) return prepareHere(deployment);
  ensureMember(deployment);
  await prepareInNetwork(deployment);
}

main().catch((error: unknown) => {
  console.error(`prepare: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
