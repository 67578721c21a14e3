import { expect, it } from "@jest/globals";
import { readSource } from "../style/sources.ts";

/** The arithmetic of docs/deployment.md, from its own assumptions. */

const text = readSource("docs/deployment.md").text;

const MONTH_SECONDS = 730 * 3_600;
const GIGABYTES = 2;
const ON_DEMAND = 0.000026;
const ALWAYS_READY = 0.000004 + 0.000016;
const MILLION_CALLS = 0.4;
const CALLS_OF_AN_AGENT = MONTH_SECONDS / 20 + MONTH_SECONDS / 30;

const rows = [...text.matchAll(/^\| ([\d,]+) \| ([\d,]+) \| (\d+) \| ([\d,.]+) \| ([\d,.]+) \|$/gm)].map((match) =>
  match.slice(1).map((cell) => Number(cell.replaceAll(",", ""))),
);

it("agents that wait: 100 and 1,000, at several concurrencies", () => {
  expect(rows.map(([agents, concurrency]) => [agents, concurrency])).toEqual([
    [100, 16],
    [100, 100],
    [100, 500],
    [1_000, 16],
    [1_000, 100],
    [1_000, 250],
    [1_000, 1_000],
  ]);
});

it.each(rows)("%d agents, %d to an instance", (agents, concurrency, instances, onDemand, alwaysReady) => {
  expect(instances).toBe(Math.ceil(agents / concurrency));
  const calls = (agents * CALLS_OF_AN_AGENT * MILLION_CALLS) / 1_000_000;
  const gigabyteSeconds = instances * GIGABYTES * MONTH_SECONDS;
  expect(onDemand).toBeCloseTo(gigabyteSeconds * ON_DEMAND + calls, 1);
  expect(alwaysReady).toBeCloseTo(gigabyteSeconds * ALWAYS_READY + calls, 1);
});

it("idle: the columns add up", () => {
  const table = /\| resource \| why \| dev \| prod \|\n[^\n]*\n([\s\S]*?)\n\n/.exec(text)?.[1] ?? "";
  const lines = table.split("\n").map((line) => line.split("|").map((cell) => cell.replaceAll("*", "").trim()));
  const sums = lines.at(-1);
  for (const column of [3, 4]) {
    const parts = lines.slice(0, -1).map((cells) => Number(cells[column]?.replace("–", "0")));
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(Number(sums?.[column]));
  }
});

it("messages: the columns add up", () => {
  const messages = [
    ...text.matchAll(/^\| (\d+) million \|[^|]*\| (\d+) \| (\d+) \(\d\) \| (\d+) \([\w]+\) \| ([\d,]+) \|$/gm),
  ];
  expect(messages).toHaveLength(3);
  for (const [, million, calls, instances, database, sum] of messages) {
    expect(Number(calls)).toBe(Math.round(Number(million) * 3 * MILLION_CALLS));
    expect(Number(calls) + Number(instances) + Number(database)).toBe(Number(sum?.replace(",", "")));
  }
});
