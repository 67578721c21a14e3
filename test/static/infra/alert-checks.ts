import { expect, it } from "@jest/globals";
import { z } from "zod";
import { COUNTERS, GAUGES, HISTOGRAMS } from "../../../src/lib/trace/metric-names.ts";
import { runFile } from "../../support/run-process.ts";
import { readSource } from "../style/sources.ts";
import type { Snapshot } from "./bicep.ts";
import { type Given, ofType, only } from "./environments.ts";

/** Alerts and the workbook: their queries are KQL over tables that exist, of metrics that we emit; each alert is in the runbook. */

/** Alerts that both environments have. */
const EVERYWHERE = [
  "oldest-message",
  "dead-letters",
  "task-failures",
  "no-sweep",
  "server-errors",
  "transient-faults",
  "database-load",
  "database-workers",
  "database-storage",
  "database-connections",
  "database-logins",
  "key-vault-denials",
];

const SAMPLES: Readonly<Record<string, string>> = {
  sound: "AppMetrics | where Name == 'x' | summarize max(Max) by bin(TimeGenerated, 1m)",
  "a table that is none": "AppMetric | count",
  "a column that is none": "AppMetrics | where Nam == 'x'",
  "no KQL": "SELECT 1 FROM AppMetrics",
};

const logAlert = z.looseObject({
  severity: z.number().int().min(0).max(4),
  description: z.string().min(20),
  evaluationFrequency: z.string(),
  windowSize: z.string(),
  enabled: z.literal(true),
  criteria: z.object({
    allOf: z.tuple([
      z.looseObject({
        query: z.string(),
        timeAggregation: z.enum(["Count", "Maximum"]),
        metricMeasureColumn: z.string().optional(),
        operator: z.literal("GreaterThan"),
        threshold: z.number(),
      }),
    ]),
  }),
  actions: z.object({ actionGroups: z.array(z.string()).length(1) }),
});

const workbook = z.object({
  version: z.literal("Notebook/1.0"),
  items: z.array(
    z.looseObject({
      type: z.number(),
      name: z.string(),
      content: z.looseObject({ title: z.string().optional(), query: z.string().optional() }),
    }),
  ),
});

function alertNames(snapshot: Snapshot): string[] {
  const rules = [
    ...ofType(snapshot, "Microsoft.Insights/scheduledQueryRules"),
    ...ofType(snapshot, "Microsoft.Insights/metricAlerts"),
  ];
  return rules.map(({ name }) => name.replace(/^alert-agents-[a-z]+-[a-z0-9]{8}-/, ""));
}

function alertQueries(snapshot: Snapshot): Record<string, string> {
  const rules = ofType(snapshot, "Microsoft.Insights/scheduledQueryRules");
  return Object.fromEntries(
    rules.map(({ name, properties }) => [name, logAlert.parse(properties).criteria.allOf[0].query]),
  );
}

function workbookQueries(snapshot: Snapshot): Record<string, string> {
  const { serializedData } = only(snapshot, "Microsoft.Insights/workbooks").properties;
  // The workspace's id is put in by Azure, so the text is an expression here; the file is the same text.
  expect(serializedData).toEqual(expect.stringContaining("__WORKSPACE__"));
  const { items } = workbook.parse(JSON.parse(readSource("infra/modules/workbook.json").text));
  return Object.fromEntries(
    items.flatMap(({ name, content }) => (content.query === undefined ? [] : [[`workbook ${name}`, content.query]])),
  );
}

/** What the parser says, by name. */
async function judge(queries: Record<string, string>): Promise<Record<string, string[]>> {
  const { code, out, error } = await runFile("test/static/infra/kql-check.ts", [], { input: JSON.stringify(queries) });
  expect({ code, error: error.replaceAll(/\(node:\d+\) .*\n.*\n?/g, "") }).toEqual({ code: 0, error: "" });
  return z.record(z.string(), z.array(z.string())).parse(JSON.parse(out));
}

function metricsOf(query: string): string[] {
  return [...query.matchAll(/'(agent_communication\.[\w.]+)'/g)].map(([, name]) => name ?? "");
}

/** Sections of the runbook in the queries' language, which an operator will paste at night. */
function runbookQueries(): Record<string, string> {
  const blocks = [...readSource("docs/runbook.md").text.matchAll(/```kusto\n([\s\S]*?)```/g)];
  return Object.fromEntries(blocks.map(([, query], index) => [`docs/runbook.md ${index + 1}`, query ?? ""]));
}

export function alertChecks(given: Given): void {
  it("are judged by a parser that knows right from wrong", async () => {
    expect(await judge(SAMPLES)).toEqual({
      sound: [],
      "a table that is none": expect.arrayContaining([expect.stringContaining("AppMetric")]),
      "a column that is none": expect.arrayContaining([expect.stringContaining("Nam")]),
      "no KQL": expect.arrayContaining([expect.stringContaining("Error")]),
    });
  });

  it("ask in KQL, of tables and columns that exist, as do the workbook and the runbook", async () => {
    const queries = { ...alertQueries(given().prod), ...workbookQueries(given().prod), ...runbookQueries() };
    expect(Object.keys(queries).length).toBeGreaterThan(20);
    const wrong = Object.entries(await judge(queries)).filter(([, problems]) => problems.length > 0);
    expect(wrong).toEqual([]);
  });

  it("measure a column that their query has", () => {
    for (const { properties } of ofType(given().prod, "Microsoft.Insights/scheduledQueryRules")) {
      const [{ query, timeAggregation, metricMeasureColumn }] = logAlert.parse(properties).criteria.allOf;
      expect(timeAggregation).toBe(metricMeasureColumn === undefined ? "Count" : "Maximum");
      expect(query).toContain(metricMeasureColumn === undefined ? "where" : `${metricMeasureColumn} =`);
    }
  });

  it("ask for metrics that we emit, and every metric is asked for somewhere", () => {
    const queries = { ...alertQueries(given().prod), ...workbookQueries(given().prod) };
    const asked = [...new Set(Object.values(queries).flatMap(metricsOf))].sort();
    expect(asked.length).toBeGreaterThan(10);
    const emitted = { ...COUNTERS, ...GAUGES, ...HISTOGRAMS };
    expect(asked.filter((name) => !Object.hasOwn(emitted, name))).toEqual([]);
  });

  it("are all there", () => {
    expect(alertNames(given().dev)).toEqual(EVERYWHERE);
    expect(alertNames(given().prod)).toEqual([...EVERYWHERE, "health"]);
  });

  it("measure DTU where the database has them, and CPU where not", async () => {
    const metric = (snapshot: Snapshot) =>
      JSON.stringify(
        ofType(snapshot, "Microsoft.Insights/metricAlerts").find(({ name }) => name.endsWith("-database-load"))
          ?.properties,
      );
    expect(metric(given().dev)).toContain('"dtu_consumption_percent"');
    const vCores = await given().bicep.snapshotOf("infra/resources.bicep", {
      environmentName: "test",
      sqlAdministratorGroup: { name: "administrators", objectId: "30000000-0000-0000-0000-000000000003" },
      alerting: { emailAddresses: [], availabilityTest: false },
      database: { serviceObjective: "GP_Gen5_4", backupRedundancy: "Local" },
    });
    expect(metric(vCores)).toContain('"cpu_percent"');
  });

  it("notice two minutes without a sweep as soon as telemetry can show it", () => {
    const rule = ofType(given().prod, "Microsoft.Insights/scheduledQueryRules").find(({ name }) =>
      name.endsWith("-no-sweep"),
    );
    const parsed = logAlert.parse(rule?.properties);
    expect(parsed).toMatchObject({ severity: 0, evaluationFrequency: "PT1M" });
    expect(parsed.criteria.allOf[0].threshold).toBe(120 + 180);
  });

  it("tell the action group", () => {
    const group = only(given().prod, "Microsoft.Insights/actionGroups");
    expect(group.properties).toMatchObject({ enabled: true, groupShortName: "agents" });
    expect(String(group.properties.groupShortName).length).toBeLessThanOrEqual(12);
    expect(group.properties.emailReceivers).toMatchObject([
      { emailAddress: "operators@example.com", useCommonAlertSchema: true },
      { emailAddress: "night@example.com", useCommonAlertSchema: true },
    ]);
    for (const type of ["Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"]) {
      for (const { properties } of ofType(given().prod, type)) {
        expect(JSON.stringify(properties.actions)).toContain(group.id);
      }
    }
  });

  it("test health from outside where there is an outside", () => {
    const { properties, tags } = only(given().prod, "Microsoft.Insights/webtests");
    expect(properties).toMatchObject({
      Kind: "standard",
      Frequency: 300,
      Request: { RequestUrl: expect.stringContaining("/api/health"), HttpVerb: "GET" },
      ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true },
    });
    expect(JSON.stringify(tags)).toContain("hidden-link:");
  });

  it.each([...EVERYWHERE, "health"])("%s has its section in the runbook: what it means, what to do", (name) => {
    const section = new RegExp(`^## ${name}\\n([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, "m").exec(
      readSource("docs/runbook.md").text,
    )?.[1];
    expect(section).toMatch(/\*\*What it means\.\*\* \S/);
    expect(section).toMatch(/\*\*What to do\.\*\*\s+\S/);
  });
}
