import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { runFile } from "../../support/run-process.ts";
import { readSource, sourcesIn } from "../style/sources.ts";

/** The workflows: sound to GitHub's own parser, no more rights than they need, every action pinned to a commit. */

const workflows = sourcesIn(".github/workflows", ".yml");

const permissions = z.record(z.string(), z.enum(["read", "write", "none"]));
const step = z.looseObject({
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
});
const workflow = z.looseObject({
  name: z.string(),
  on: z.looseObject({}),
  permissions,
  jobs: z.record(
    z.string(),
    z.looseObject({
      permissions,
      uses: z.string().optional(),
      "timeout-minutes": z.number().optional(),
      steps: z.array(step).default([]),
    }),
  ),
});
const parsed = workflows.map(({ path, text }) => ({ path, text, ...workflow.parse(parse(text)) }));
const jobs = parsed.flatMap(({ path, jobs: all }) =>
  Object.entries(all).map(([name, job]) => ({ place: `${path} ${name}`, job })),
);
const scripts = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readSource("package.json").text)).scripts;

/** Every `npm run x` of a text that package.json does not have. */
function unknownScripts(text: string): string[] {
  const called = [...text.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name ?? "");
  expect(called.length).toBeGreaterThan(0);
  return called.filter((name) => !(name in scripts));
}

describe("workflows", () => {
  it("are all there", () => {
    expect(workflows.map(({ path }) => path.split("/").at(-1))).toEqual([
      "ci.yml",
      "deploy-environment.yml",
      "deploy.yml",
      "release.yml",
      "rollback.yml",
      "sql-server.yml",
    ]);
  });

  it("are sound", async () => {
    const wrong = {
      "a key that is none": "on: push\njobs: {a: {runs-on: ubuntu-latest, timeout: 5, steps: [{run: x}]}}",
      "a context that is none":
        "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'x \u0024{{ githb.sha }}'}]}}",
      "a right that is none":
        "on: push\njobs: {a: {runs-on: ubuntu-latest, permissions: {all: write}, steps: [{run: x}]}}",
    };
    const texts = Object.fromEntries(workflows.map(({ path, text }) => [path, text]));
    const { code, out, error } = await runFile("test/static/infra/workflow-check.ts", [], {
      input: JSON.stringify({ ...wrong, ...texts }),
    });
    expect({ code, error: error.replaceAll(/\(.*\n?/g, "") }).toEqual({ code: 0, error: "" });
    const findings = z.record(z.string(), z.array(z.string())).parse(JSON.parse(out));
    for (const [name, found] of Object.entries(findings)) {
      if (name in wrong) expect({ name, found }).not.toEqual({ name, found: [] });
      else expect({ name, found }).toEqual({ name, found: [] });
    }
  });

  it("pin every action to a commit and name its version, the same everywhere", () => {
    const lines = workflows.flatMap(({ path, text }) =>
      text.split("\n").flatMap((line) => (/\buses:/.test(line) ? [{ path, line: line.trim() }] : [])),
    );
    expect(lines.length).toBeGreaterThan(20);
    const ours = /uses: \.\/\.github\/workflows\/[\w-]+\.yml$/;
    const odd = lines.filter(
      ({ line }) => !ours.test(line) && !/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line),
    );
    expect(odd).toEqual([]);
    const pins = new Map<string, Set<string>>();
    for (const { line } of lines) {
      const [, action, pin] = /uses: ([\w-]+\/[\w-]+)\S*@(\S+ # \S+)/.exec(line) ?? [];
      if (action !== undefined && pin !== undefined) pins.set(action, (pins.get(action) ?? new Set()).add(pin));
    }
    expect([...pins].filter(([, versions]) => versions.size > 1)).toEqual([]);
  });

  it("say what each job may do, and may only read by default", () => {
    for (const { path, permissions: given } of parsed)
      expect({ path, given }).toEqual({ path, given: { contents: "read" } });
    const writing = jobs.flatMap(({ place, job }) =>
      Object.entries(job.permissions).flatMap(([what, right]) => (right === "write" ? [`${place}: ${what}`] : [])),
    );
    expect(writing.sort()).toEqual([
      ".github/workflows/ci.yml codeql: security-events",
      ".github/workflows/deploy-environment.yml deploy: id-token",
      ".github/workflows/deploy.yml dev: id-token",
      ".github/workflows/deploy.yml prod: id-token",
      ".github/workflows/deploy.yml what-if: id-token",
      ".github/workflows/release.yml build: attestations",
      ".github/workflows/release.yml build: id-token",
      ".github/workflows/release.yml publish: contents",
      ".github/workflows/rollback.yml rollback: id-token",
    ]);
  });

  it("end by themselves, and keep no credentials in the checkout", () => {
    for (const { place, job } of jobs) {
      if (job.uses === undefined)
        expect({ place, minutes: job["timeout-minutes"] }).toEqual({ place, minutes: expect.any(Number) });
      for (const { uses, with: given } of job.steps) {
        if (uses?.startsWith("actions/checkout@")) expect(given).toMatchObject({ "persist-credentials": false });
      }
    }
  });

  it("run nothing that an outsider wrote: no pull_request_target, no text of an event in a command", () => {
    for (const { text, jobs: all } of parsed) {
      expect(text).not.toMatch(/pull_request_target|workflow_run/);
      for (const { run } of Object.values(all).flatMap(({ steps }) => steps)) expect(run ?? "").not.toMatch(/\$\{\{/);
    }
  });

  it("call scripts that are there", () => {
    expect(workflows.flatMap(({ text }) => unknownScripts(text))).toEqual([]);
  });

  it("sign in to Azure without a password", () => {
    const signIns = jobs.flatMap(({ job }) => job.steps.filter(({ uses }) => uses?.startsWith("Azure/login@")));
    expect(signIns.length).toBe(3);
    for (const { with: given } of signIns) {
      expect(Object.keys(given ?? {}).sort()).toEqual(["client-id", "subscription-id", "tenant-id"]);
    }
  });

  it("migrate before they deploy, and try it out afterwards", () => {
    const names = jobs
      .filter(({ place }) => place.endsWith("deploy-environment.yml deploy"))
      .flatMap(({ job }) => job.steps.map(({ name }) => name));
    const order = ["Resources", "Database", "Package", "Smoke test", "Close what may still be open"];
    expect(names.filter((name) => order.includes(String(name)))).toEqual(order);
  });
});

describe("azure.yaml", () => {
  const hook = z.strictObject({
    posix: z.strictObject({ shell: z.literal("sh"), run: z.string(), continueOnError: z.boolean().optional() }),
    windows: z.strictObject({ shell: z.literal("pwsh"), run: z.string(), continueOnError: z.boolean().optional() }),
  });
  const schema = z.strictObject({
    name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
    infra: z.strictObject({ provider: z.literal("bicep"), path: z.literal("infra"), module: z.literal("main") }),
    services: z.strictObject({
      api: z.strictObject({
        project: z.literal("."),
        dist: z.literal("out/package"),
        language: z.literal("js"),
        host: z.literal("function"),
        remoteBuild: z.literal(false),
      }),
    }),
    hooks: z.record(z.enum(["prepackage", "preprovision", "postprovision", "postdeploy", "predown"]), hook),
  });
  const { text } = readSource("azure.yaml");
  const { hooks } = schema.parse(parse(text));

  it("does the same on every system", () => {
    for (const { posix, windows } of Object.values(hooks)) {
      expect({ ...windows, shell: "sh" }).toEqual(posix);
    }
  });

  it("calls scripts that are there", () => {
    expect(unknownScripts(text)).toEqual([]);
  });
});
