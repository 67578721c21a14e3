import { AgentClient } from "../src/client/index.ts";

/**
 * Where the examples find the service, AGENT_COMMUNICATION_URL or the port of `npm start`; and AGENT_COMMUNICATION_TOKEN, that of
 * the example's agent or an enrolment key, for a service that asks for credentials; AGENT_COMMUNICATION_TOKEN_FILE, where it keeps
 * its token.
 */
export const client = new AgentClient({
  baseUrl: process.env.AGENT_COMMUNICATION_URL ?? "http://127.0.0.1:7071/api",
  token: process.env.AGENT_COMMUNICATION_TOKEN,
  tokenFile: process.env.AGENT_COMMUNICATION_TOKEN_FILE,
});
