import type { Caller } from "../lib/gates/caller.ts";
import type { Cost } from "../lib/http/charged.ts";
import type { RawRequest } from "../lib/http/request-input.ts";
import type { AgentRole } from "../lib/model/agent.ts";
import type { Services } from "../lib/services.ts";
import type { Log } from "../lib/trace/log.ts";

/** One request by MCP: what a tool may use to carry it out. */
export interface Exchange {
  services: Services;
  caller: Caller;
  /** The agent that calls: of the credential, or in mode `none` the one that the request names. Undefined when it names none. */
  agentId: string | undefined;
  header: RawRequest["header"];
  signal: RawRequest["signal"];
  cost: Cost;
  log: Log;
}

/** The agent that a tool is called as. */
export interface Me {
  agentId: string;
  /** As its credential proves it; undefined in mode `none`. */
  role: AgentRole | undefined;
}

/** Whose list of tools a caller gets: its role, or `believed` in mode `none`, where everything may be called. */
export type Audience = AgentRole | "believed";

export function audienceOf(caller: Caller): Audience {
  return caller.kind === "agent" ? caller.role : "believed";
}
