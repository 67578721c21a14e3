import { BASE_PATH, methodsOf, type Route } from "./route.ts";

/** Whether a full path is under the base path of the API. Literals match in any case. */
export function isUnderApi(path: string): boolean {
  return `${path.slice(0, BASE_PATH.length + 1)}/`.toLowerCase().startsWith(`${BASE_PATH}/`);
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
  return routes.filter((route) => matches(route.path, path)).flatMap(methodsOf);
}
