/** What both engines keep to when values are encrypted again under another version of their key. */

/** Values that are looked for at once, and about how many characters of them: the next look goes on behind the last one. */
export const OUTDATED_ROWS = 200;
export const OUTDATED_CHARACTERS = 2 * 1_024 * 1_024;
