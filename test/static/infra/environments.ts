import type { Bicep, Resource, Snapshot } from "./bicep.ts";

/** What the checks of the templates share: one compiler, and what dev and prod would be, asked for once. */

export interface Environments {
  bicep: Bicep;
  dev: Snapshot;
  prod: Snapshot;
}

/** Hands out what is there once the tests run. */
export type Given = () => Environments;
/** All resources of a type, which may be written in any case. */
export function ofType({ predictedResources }: Snapshot, type: string): Resource[] {
  return predictedResources.filter((resource) => resource.type.toLowerCase() === type.toLowerCase());
}

/** The only resource of a type. @throws Error when there is none, or more than one */
export function only(snapshot: Snapshot, type: string): Resource {
  const [found, ...more] = ofType(snapshot, type);
  if (found === undefined || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} of ${type}`);
  return found;
}

/** The app's settings as the platform would get them. */
export function appSettings(snapshot: Snapshot): Readonly<Record<string, unknown>> {
  return only(snapshot, "Microsoft.Web/sites/config").properties;
}
