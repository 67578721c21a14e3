import { shorten } from "./judge.ts";
import type { Operator, StatementPlan } from "./plan.ts";

/** Prints plans for people. */

/** Operators that say where rows come from or are sorted; joins and the like would only fill the page. */
function matters({ kind, table, ran, reads }: Operator): boolean {
  return ran && (kind !== "other" || (table !== undefined && reads > 0));
}

/** One line per operator, table and index: how often, and what it read in all. */
export function printOperators(plans: readonly StatementPlan[]): void {
  const groups = new Map<string, { times: number; rows: number; reads: number }>();
  for (const operator of plans.flatMap(({ operators }) => operators).filter(matters)) {
    const { name, table, index } = operator;
    const key = [name, table ?? "", index ?? ""].join(" | ");
    const group = groups.get(key) ?? { times: 0, rows: 0, reads: 0 };
    groups.set(key, {
      times: group.times + 1,
      rows: group.rows + operator.rows,
      reads: group.reads + operator.reads,
    });
  }
  const reads = plans.flatMap(({ operators }) => operators).reduce((sum, operator) => sum + operator.reads, 0);
  console.log(`${plans.length} statements, ${reads} page reads\n`);
  console.log("| operator | table | index | times | rows | reads |\n| --- | --- | --- | ---: | ---: | ---: |");
  for (const [key, { times, rows, reads: pages }] of [...groups].sort()) {
    console.log(`| ${key} | ${times} | ${rows} | ${pages} |`);
  }
}

/** Every statement with its operators. */
export function printStatements(plans: readonly StatementPlan[]): void {
  for (const { text, operators } of plans) {
    console.log(`\n${shorten(text)}`);
    for (const { name, table, index, rows, reads, ran } of operators) {
      const where = [table, index].filter((part) => part !== undefined).join(".");
      console.log(`  ${name} ${where}: ${ran ? `${rows} rows, ${reads} reads` : "not run"}`);
    }
  }
}
