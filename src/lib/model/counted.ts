/**
 * A number with its noun.
 *
 * @param many the noun for any number but 1; default: `one` with an s
 * @example
 * counted(1, "entry", "entries"); // "1 entry"
 */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
