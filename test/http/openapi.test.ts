import { describe, expect, it } from "@jest/globals";
import { Validator } from "@seriousme/openapi-schema-validator";
import { routes } from "../../src/functions/route-table.ts";
import { openApiDocument } from "../../src/lib/http/openapi.ts";

interface Operation {
  operationId: string;
  parameters?: { in: string; name: string; required?: boolean }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
  responses: Record<string, unknown>;
}

const document = JSON.parse(JSON.stringify(openApiDocument(routes)));
const operations = new Map<string, Operation>();
for (const [path, item] of Object.entries<Record<string, Operation>>(document.paths)) {
  for (const [method, operation] of Object.entries(item)) operations.set(`${method.toUpperCase()} ${path}`, operation);
}

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1", async () => {
    const result = await new Validator().validate(document);
    expect(result).toEqual(expect.objectContaining({ valid: true }));
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  it("has every route of the table and no other", () => {
    expect([...operations.keys()].sort()).toEqual(routes.map((route) => route.key).sort());
  });

  it("declares every path parameter, the bodies, and the statuses of each route", () => {
    for (const route of routes) {
      const operation = operations.get(route.key);
      const declared = (operation?.parameters ?? []).filter((parameter) => parameter.in === "path");
      const names = [...route.key.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(declared.map((parameter) => parameter.name)).toEqual(names);
      expect(operation?.requestBody !== undefined).toBe(route.body !== undefined);
      for (const status of [...route.statuses, 400, 403, 404, 500, 503]) {
        expect(Object.keys(operation?.responses ?? {})).toContain(String(status));
      }
    }
  });

  it("has unique operation ids, which are the names of the functions", () => {
    const ids = [...operations.values()].map((operation) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.sort()).toEqual(routes.map((route) => route.name).sort());
  });

  it("says which bodies are objects that take no unknown field, with the limits of their fields", () => {
    const send = JSON.stringify(document.components.schemas.SendMessage);
    expect(send).toContain('"additionalProperties":false');
    expect(send).toContain('"maximum":100');
  });

  it("requires bodies where {} would not do, and calls any JSON any JSON", () => {
    const required = (key: string) =>
      (operations.get(key)?.requestBody as { required?: boolean } | undefined)?.required;
    expect([required("POST /messages"), required("POST /agents/{agentId}/heartbeat")]).toEqual([true, false]);
    expect(document.components.schemas.Message.properties.payload).toEqual({});
    expect(Object.keys(document.components.schemas).filter((name) => name.startsWith("_"))).toEqual([]);
  });

  it("refers only to what it has", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(references.length).toBeGreaterThan(0);
    for (const reference of references) {
      const target = reference
        .split("/")
        .reduce<unknown>((node, key) => (node as Record<string, unknown>)?.[key], document);
      expect(target).toBeDefined();
    }
  });
});

describe("the names of the functions", () => {
  /** The Functions host tries routes in the order of their names: a parameter must not come before a literal it would swallow. */
  it("never sort a parameterised path before a literal one that it also matches", () => {
    const segments = (key: string) => key.split(" ")[1]?.split("/") ?? [];
    for (const general of routes) {
      for (const special of routes) {
        if (general === special || general.method !== special.method) continue;
        const [wide, narrow] = [segments(general.key), segments(special.key)];
        const swallows =
          wide.length === narrow.length && wide.every((part, index) => part === narrow[index] || part.startsWith("{"));
        if (swallows) expect([general.name, special.name].sort()[0]).toBe(special.name);
      }
      expect("zzfallback" > general.name.toLowerCase()).toBe(true);
    }
  });
});
