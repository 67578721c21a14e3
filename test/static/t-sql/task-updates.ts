import { readRelease } from "../../../src/lib/store/mssql/procedure-files.ts";

/** An UPDATE statement of dbo.tasks: the procedure that has it, and what stands between SET and the end. */
export interface TaskUpdate {
  name: string;
  rest: string;
}

/** Those of all procedures, as they are built. */
export function taskUpdates(): TaskUpdate[] {
  return readRelease().procedures.flatMap(({ name, sql }) =>
    [...sql.replaceAll(/--.*$/gm, "").matchAll(/\bUPDATE (\w+) SET ([^;]*);/g)]
      .filter(([, alias, rest = ""]) => new RegExp(`\\bdbo\\.tasks AS ${alias}\\b`).test(rest))
      .map(([, , rest = ""]) => ({ name, rest })),
  );
}
