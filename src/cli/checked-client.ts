import type { z } from "zod";
import { AgentClient } from "../client/agent-client.ts";
import type { CallOptions, LooseInput } from "../client/route-caller.ts";
import type { InputOf, ReplyOf, RouteKey } from "../client/route-types.ts";
import { CONTRACT } from "../lib/model/contract/contract.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";

/**
 * A client that looks at every reply before a command shows it. The library's own client trusts the wire, because it carries no
 * schemas; a person, or a script that reads exit codes, must not take the `{}` of some other server for a message that was sent.
 */
export class CheckedClient extends AgentClient {
  /** @throws AgentCommunicationError as AgentClient; INTERNAL for a reply that the contract does not have */
  override async call<Key extends RouteKey>(
    key: Key,
    input: InputOf<Key> & LooseInput,
    options?: CallOptions,
  ): Promise<ReplyOf<Key>> {
    const reply = await super.call(key, input, options);
    const problem = replyProblem(key, reply);
    if (problem === undefined) return reply;
    const detail = `${key} was answered with something that is not a reply of this service: ${problem}.`;
    throw new AgentCommunicationError("INTERNAL", detail);
  }
}

type Issue = z.core.$ZodIssue;

/**
 * What a reply lacks, in words; undefined when nothing. A newer server may say more than this program knows: further members and
 * further words of an enumeration pass.
 */
function replyProblem(key: RouteKey, reply: unknown): string | undefined {
  const issue = CONTRACT[key].reply.safeParse(reply, { reportInput: true }).error?.issues.find(isFault);
  if (issue === undefined) return undefined;
  if (issue.path.length === 0) return "it is of another kind";
  return `${issue.path.map(String).join(".")} is missing, or of another kind`;
}

function isFault(issue: Issue): boolean {
  switch (issue.code) {
    case "unrecognized_keys":
    case "invalid_format":
    case "too_small":
    case "too_big":
      // Texts and numbers that are shown as they are; of the audit they are what is to be verified.
      return false;
    case "invalid_value":
      return typeof issue.input !== "string";
    case "invalid_union":
      // Without one for each alternative the word that chooses among them is a newer one.
      return issue.errors.length > 0 && issue.errors.every((alternative) => alternative.some(isFault));
    default:
      return true;
  }
}
