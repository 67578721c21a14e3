import { methodsOf, type Route } from "./route.ts";

/** Every route is served under this. */
export const PREFIX = "/api";

/** The path of a route without its method: `/agents/{agentId}`. */
export function pathOf(route: Route): string {
  return route.key.slice(route.key.indexOf(" ") + 1);
}

/** A path without its prefix, or undefined when it is not under it. Literals match in any case. */
export function withoutPrefix(path: string): string | undefined {
  const rest = path.slice(PREFIX.length);
  const under = path.slice(0, PREFIX.length).toLowerCase() === PREFIX && (rest === "" || rest.startsWith("/"));
  return under ? rest : undefined;
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  // One trailing slash is accepted, as both hosts do.
  if (given.length === wanted.length + 1 && given.at(-1) === "") given.pop();
  if (given.length !== wanted.length) return false;
  return wanted.every((segment, index) => {
    const value = given[index] ?? "";
    return segment.startsWith("{") ? value !== "" : segment.toLowerCase() === value.toLowerCase();
  });
}

/** The methods that the routes of a full path (`/api/agents/a-1`) accept; empty when there is none. */
export function allowedMethods(routes: readonly Route[], path: string): string[] {
  const rest = withoutPrefix(path);
  if (rest === undefined) return [];
  return routes.filter((route) => matches(pathOf(route), rest)).flatMap(methodsOf);
}
