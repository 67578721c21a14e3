import type { z } from "zod";
import type { Contract } from "../lib/model/contract/contract.ts";
import type { OperationKey } from "../lib/model/operations.ts";

/**
 * What each route takes and gives, inferred from the contract that the server parses by. Types only: no schema reaches the client at
 * run time.
 */

/** The name of a route: `POST /agents/{agentId}/heartbeat`. */
export type RouteKey = OperationKey;

/** `{agentId: string}` and the like; undefined when the path has no parameter. */
export type ParamsOf<Key extends RouteKey> = Contract[Key]["params"] extends infer Schema extends z.ZodType
  ? z.input<Schema>
  : undefined;

/** Every query parameter is optional; undefined when the route takes none. */
export type QueryOf<Key extends RouteKey> = Contract[Key]["query"] extends infer Schema extends z.ZodType
  ? Optional<z.output<Schema>>
  : undefined;

/** The body as a caller may write it, fields with defaults optional; undefined when the route takes none. */
export type BodyOf<Key extends RouteKey> = Contract[Key]["body"] extends infer Schema extends z.ZodType
  ? z.input<Schema>
  : undefined;

/** The JSON of every 2xx answer. */
export type ReplyOf<Key extends RouteKey> = Contract[Key]["reply"] extends infer Schema extends z.ZodType
  ? z.output<Schema>
  : never;

/** Also without exactOptionalPropertyTypes, an explicit undefined is the same as absent. */
type Optional<Shape> = { [Field in keyof Shape]?: Shape[Field] | undefined };

type ParamsPart<Key extends RouteKey> =
  ParamsOf<Key> extends undefined ? { params?: undefined } : { params: ParamsOf<Key> };
type QueryPart<Key extends RouteKey> =
  QueryOf<Key> extends undefined ? { query?: undefined } : { query?: QueryOf<Key> | undefined };
type BodyPart<Key extends RouteKey> =
  BodyOf<Key> extends undefined
    ? { body?: undefined }
    : Record<never, never> extends BodyOf<Key>
      ? { body?: BodyOf<Key> | undefined }
      : { body: BodyOf<Key> };

/** What `call` takes beside the key. */
export type InputOf<Key extends RouteKey> = ParamsPart<Key> & QueryPart<Key> & BodyPart<Key>;
