import { AgentCommunicationError } from "../lib/model/errors.ts";

/** What may stand in the header behind "Bearer " (RFC 6750 allows less; tokens of other issuers are not ours to judge). */
const TOKEN = /^[\x21-\x7e]+$/;
const MUST = "must be visible ASCII characters without spaces";

/**
 * What is given as a token, as it is sent: white space around it, such as the end of a file's line, is cut off.
 *
 * @param provided true when a function gave it, which may give another one next time
 * @throws Error when a function gave what cannot be a token; AgentCommunicationError INVALID_REQUEST for a fixed text. Neither
 *   shows it
 */
export function tokenToSend(given: unknown, provided: boolean): string {
  const token = typeof given === "string" ? given.trim() : "";
  if (TOKEN.test(token)) return token;
  if (provided) throw new Error(`the token provider did not return a token: it ${MUST}`);
  throw new AgentCommunicationError("INVALID_REQUEST", `token: ${MUST}.`);
}
