import { connectAdministrator, loginError } from "../administrator-pool.ts";
import { type Deployment, databaseVariables } from "./deployment.ts";

/** Which address of ours the database's firewall has to let in: it says so itself, when it refuses us. */

/** 40615: the server's firewall does not let in the address, which it names. */
const NOT_LET_IN = 40_615;

/** The address that a refusal of the firewall names. */
export function addressIn(message: string): string | undefined {
  return /IP address '([\d.]+)'/.exec(message)?.[1];
}

/** DEVELOPER_ADDRESS, or what the server sees; undefined when it lets us in as we are. @throws what else is in the way */
export async function addressSeenBy(deployment: Deployment): Promise<string | undefined> {
  const { DEVELOPER_ADDRESS: given } = process.env;
  if (given !== undefined && given !== "") return given;
  try {
    const pool = await connectAdministrator({ ...process.env, ...databaseVariables(deployment) });
    await pool.close();
    return undefined;
  } catch (error) {
    const refused = loginError(error);
    const address = refused?.number === NOT_LET_IN ? addressIn(refused.message) : undefined;
    if (address === undefined) throw error;
    return address;
  }
}
