import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Files that the file loads at run time; `import type` is gone by then. */
function loads(file: string): string[] {
  const source = readFileSync(file, "utf8");
  const statements = source.matchAll(/^(?:import|export)\s+(?!type\b)([^;]*?from\s+)?"([^"]+)"/gm);
  return [...statements].map((match) => match[2] ?? "");
}

describe("the client's core", () => {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    for (const specifier of loads(file)) {
      if (specifier.startsWith(".")) visit(join(dirname(file), specifier));
      else packages.add(specifier);
    }
  };
  visit(join(ROOT, "src/client/index.ts"));

  it("reaches no Node module and no package but uuid and the API of OpenTelemetry", () => {
    expect([...packages]).toEqual(["uuid", "@opentelemetry/api"]);
  });

  it("reaches nothing of the server but its pure vocabulary", () => {
    const outside = [...files].map((file) => relative(ROOT, file)).filter((file) => !file.startsWith("src/client/"));
    expect(outside.sort()).toEqual([
      "src/lib/model/clock.ts",
      "src/lib/model/errors.ts",
      "src/lib/model/json-losses.ts",
      "src/lib/model/json-numbers.ts",
      "src/lib/model/limits.ts",
      "src/lib/model/on-abort.ts",
      "src/lib/model/operations.ts",
      "src/lib/model/printable.ts",
      "src/lib/model/traceparent.ts",
      "src/lib/model/usage-attributes.ts",
      "src/lib/model/usage-counts.ts",
    ]);
    expect(files).not.toContain(join(ROOT, "src/client/worker-signals.ts"));
  });

  it("uses no global that only Node has", () => {
    for (const file of files) {
      const code = readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      expect(`${file}: ${/\b(?:process|Buffer|require|__dirname|setImmediate)\b\s*[.(]/.exec(code)?.[0]}`).toBe(
        `${file}: undefined`,
      );
    }
  });
});
