import type { OutdatedValue } from "./stored-values.ts";
import type { TaskValueName } from "./task-values.ts";

/** What both engines keep to when values are encrypted again under another version of their key. */

/** Values that are looked for at once, and about how many characters of them: the next look goes on behind the last one. */
export const OUTDATED_ROWS = 200;
export const OUTDATED_CHARACTERS = 2 * 1_024 * 1_024;

/** The row of a value. */
export interface OutdatedRow {
  id: string;
  belongs_to: string;
  key_version: string;
  place: number | string;
  of_system: number;
  text: string;
  /** Of a value of a task, which. */
  name?: TaskValueName;
}

/** The value as it is stored. */
export function readOutdated({
  id,
  belongs_to,
  key_version,
  place,
  of_system,
  text,
  name,
}: OutdatedRow): OutdatedValue {
  return { id, belongsTo: belongs_to, keyVersion: key_version, place, ofSystem: of_system === 1, text, name };
}
