import type { z } from "zod";
import type { GivenParts } from "../lib/http/request-input.ts";
import type { Route } from "../lib/http/route.ts";
import type { Me } from "./exchange.ts";

/**
 * A tool of MCP: a route as a model calls it. Tools are data beside the routes; what a call does, who may make it and what is written
 * down of it is the route's.
 */

/** Hints for the client, as the protocol defines them; `openWorldHint` is false for all. */
export interface Annotations {
  readOnlyHint?: true;
  destructiveHint?: boolean;
  idempotentHint?: true;
}

/** The parts of a call of the route; what is left out is empty. */
export type Parts = Partial<GivenParts>;

/** Calls a route as the caller of the tool. @returns the body of the reply @throws what refuses it */
export type Call = (route: Route, parts: Parts) => Promise<unknown>;

/** A reply as a model is to see it, with contents of at most so many bytes each. */
export type Show = (maxBytes: number) => unknown;

export interface Tool<Input extends z.ZodObject = z.ZodObject> {
  name: string;
  title: string;
  /** For a model: when to call it, and what comes back. */
  description: string;
  annotations: Annotations;
  /** Carries the call out; its `allow` decides whose list has the tool. */
  route: Route;
  /** What a model may give: the fields of the route, less those that say who it is. */
  input: Input;
  /** Carries the call out. */
  run(call: Call, input: z.output<Input>, me: Me): Promise<Show>;
}

/** Declares a tool. */
export function defineTool<Input extends z.ZodObject>(tool: Tool<Input>): Tool {
  return {
    ...tool,
    // The caller has parsed the input by this very schema.
    run: (call, input, me) => tool.run(call, tool.input.parse(input), me),
  };
}

/** Parameters of a query as texts; undefined ones are left out. */
export function queryOf(fields: Readonly<Record<string, string | number | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}
