import { describe, expect, it } from "@jest/globals";
import { readRelease } from "../../../src/lib/store/mssql/procedure-files.ts";

/**
 * A procedure that looks for what is due after it has waited for others, or after its own commit, passes over what they have made due
 * meanwhile unless it reads the time anew.
 */

/** Comparisons with an older time that can do no harm, each with its reason. */
const HARMLESS: readonly { sql: RegExp; reason: string }[] = [
  { sql: /last_heartbeat_at < @now|last_used_at <= @now/, reason: "whether a time is old enough to be written again" },
  { sql: /m\.lease_expires_at > @now/, reason: "what the procedure itself has leased, from that time on" },
  { sql: /z\.ended_at > @now - 3600000/, reason: "releases of the last hour, to the second" },
  { sql: /e\.assigned_at < @now THEN @now - e\.assigned_at/, reason: "a duration, never below 0" },
  { sql: /^DELETE TOP \(\d+\) FROM dbo\.\w+ WHERE/, reason: "what is long past goes now or with the next run" },
  { sql: /> @now \+ 60000/, reason: "what lies in the future, to the minute" },
  {
    sql: /a\.status_changed_at <= @now - @inactiveRetention/,
    reason: "the same condition once more, days after the fact",
  },
];

const TIME_READ = /^(?:DECLARE @now bigint|SET @now) = DATEDIFF_BIG/;
const COMPARES = /[<>]=? *@now\b/;

/** Whether a statement may have waited: a commit, or a write to a table, where others may hold the row. (A lost race ends the batch.) */
function waits(statement: string): boolean {
  if (/COMMIT TRANSACTION|^ROLLBACK TRANSACTION|sp_getapplock/.test(statement)) return true;
  const target = /^(?:UPDATE|DELETE(?: FROM)?) (?:TOP \([^)]*\) )?(?:FROM )?([\w.@]+)/.exec(statement)?.[1];
  if (target === undefined || target.startsWith("@")) return false;
  return target.startsWith("dbo.") || !new RegExp(`@\\w+ AS ${target}\\b`).test(statement);
}

/** Statements of a text that compare with a time from before a wait. A loop begins again, so its body is looked at twice. */
function staleComparisons(sql: string): string[] {
  const found: string[] = [];
  let stale = false;
  let statement = "";
  for (const line of withLoopsTwice(sql.split("\n").map((one) => one.trim()))) {
    statement = statement === "" ? line : `${statement} ${line}`;
    if (!/;$|^(?:BEGIN|END|ELSE)$|\bBEGIN$/.test(line)) continue;
    if (TIME_READ.test(statement)) stale = false;
    if (stale && COMPARES.test(statement) && !HARMLESS.some((one) => one.sql.test(statement))) found.push(statement);
    if (waits(statement.replace(/^(?:IF|ELSE IF|ELSE) .*?(?=UPDATE |DELETE )/, ""))) stale = true;
    statement = "";
  }
  return [...new Set(found)];
}

/** Each loop, from WHILE to the END of its block, twice in a row. */
function withLoopsTwice(lines: readonly string[]): string[] {
  const loop = lines.findIndex((line) => /\bWHILE @/.test(line));
  if (loop === -1) return [...lines];
  const end = endOfBlock(lines, loop + 1);
  const body = withLoopsTwice(lines.slice(loop + 1, end));
  return [...lines.slice(0, loop + 1), ...body, ...body, ...withLoopsTwice(lines.slice(end))];
}

/** The line behind the block that begins at or after `from`. */
function endOfBlock(lines: readonly string[], from: number): number {
  let depth = 0;
  for (let place = from; place < lines.length; place += 1) {
    const line = lines[place]?.trim() ?? "";
    if (/(?:^|\) |\d )BEGIN$/.test(line)) depth += 1;
    else if (/^END;?$/.test(line)) depth -= 1;
    if (depth === 0 && place >= from && /^END;?$/.test(line)) return place + 1;
  }
  throw new Error(`the block of ${lines[from - 1]} has no end`);
}

/** Without what comments say, which may name times as well. */
function withoutNotes(sql: string): string {
  return sql
    .replaceAll(/^\s*--.*$/gm, "")
    .replaceAll(/\s*\/\*.*?\*\//g, "")
    .replaceAll(/\n\s*\n/g, "\n");
}

describe("the time in procedures", () => {
  const texts = readRelease().procedures.map(({ name, sql }) => [name, withoutNotes(sql)] as const);

  it("is found: there are texts that read it anew", () => {
    expect(texts.length).toBeGreaterThan(80);
    expect(texts.filter(([, sql]) => /SET @now = DATEDIFF_BIG/.test(sql)).length).toBeGreaterThan(5);
  });

  it.each(texts)("%s compares with no time from before a commit", (_, sql) => {
    expect(staleComparisons(sql)).toEqual([]);
  });
});
