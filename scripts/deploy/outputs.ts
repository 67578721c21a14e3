import { outputsOf } from "./deployment.ts";

/** eval "$(npm run --silent deploy:outputs -- prod)": the outputs of an environment's deployment as variables of the shell. */

const [environment] = process.argv.slice(2);
if (environment === undefined) {
  console.error("outputs: of which environment? npm run --silent deploy:outputs -- prod");
  process.exitCode = 1;
} else {
  for (const [name, value] of Object.entries(outputsOf(environment))) {
    console.log(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
  }
}
