import type { Caller } from "../gates/caller.ts";
import type { Services } from "../services.ts";
import type { Log } from "../trace/log.ts";
import type { Telemetry } from "../trace/telemetry.ts";
import type { RawReply } from "./problem.ts";
import type { RawRequest } from "./request-input.ts";

/**
 * A path at the root of the service that speaks another protocol than the API, such as MCP. The gate admits its requests as those of
 * routes; what they do is done by routes (`callRoute`), so a face has no rights, limits or audit of its own.
 */
export interface Face {
  /** The Functions registration's name. */
  name: string;
  /** `/mcp` */
  path: string;
  /** Of a body, at most. */
  maxBodyBytes: number;
  /** Serves a POST for a caller whom the gate has admitted. Never throws. */
  answer(services: Services, raw: RawRequest, caller: Caller, log: Log): Promise<RawReply>;
  /** Says in the face's own form what keeps a request from being served; the status is that of the error. */
  refuse(error: unknown, log: Log, telemetry?: Telemetry): RawReply;
  /** For every other method than POST; made once, and asks nobody. */
  otherMethod: RawReply;
}

/** The methods that a host hands to a face beside POST. */
export const OTHER_METHODS = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] as const;
