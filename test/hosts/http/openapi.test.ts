import { describe, expect, it } from "@jest/globals";
import { Validator } from "@seriousme/openapi-schema-validator";
import { routes } from "../../../src/functions/route-table.ts";
import { openApiDocument } from "../../../src/lib/http/openapi.ts";
import type { Route } from "../../../src/lib/http/route.ts";
import { REPEATS } from "../../../src/lib/model/operations.ts";

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  parameters?: { in: string; name: string; required?: boolean }[];
  requestBody?: { content: Record<string, { schema: unknown; example?: unknown }> };
  responses: Record<string, { content?: Record<string, { example?: unknown }> }>;
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
    expect(document.servers).toEqual([{ url: "/api" }]);
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

describe("the facts of the routes", () => {
  const operationOf = (key: string) => {
    const operation = operations.get(key);
    if (operation === undefined) throw new Error(`no operation ${key}`);
    return operation;
  };

  it("are in the table of operations for every route, in the same order, and for nothing else", () => {
    expect(Object.keys(REPEATS)).toEqual(routes.map(({ key }) => key));
    expect(routes.map(({ repeat }) => repeat)).toEqual(Object.values(REPEATS));
  });

  it("have a summary of one line and a description in sentences, both different for each route", () => {
    for (const { key } of routes) {
      const { summary, description } = operationOf(key);
      expect(summary).toMatch(/^[A-Z][a-z]+s [^.\n]{3,80}[^.\s]$/);
      expect(description).toMatch(/^[A-Z`][\s\S]*\.$/);
    }
    expect(new Set(routes.map(({ summary }) => summary)).size).toBe(routes.length);
  });

  it("say what identifies a repeat, and declare the Idempotency-Key where it does", () => {
    expect(operationOf("POST /messages").description).toContain("same `messageId` or Idempotency-Key is safe");
    expect(operationOf("POST /dead-letters/redrive").description).toContain("A repeat is not safe");
    const withKey = routes.filter(({ key }) =>
      (operationOf(key).parameters ?? []).some(({ name }) => name === "Idempotency-Key"),
    );
    expect(withKey.map(({ key }) => key)).toEqual([
      "POST /agents",
      "POST /messages",
      "POST /messages/batch",
      "POST /tasks",
      "POST /workflows",
      "POST /schedules/{scheduleId}/trigger",
    ]);
  });

  it("call idle what workers without work and probes ask for", () => {
    expect(routes.filter(({ idle }) => idle).map(({ key }) => key)).toEqual([
      "POST /agents/{agentId}/heartbeat",
      "POST /agents/{agentId}/messages/receive",
      "POST /channels/{name}/messages/receive",
      "GET /stats/queue",
      "GET /stats/registry",
      "GET /stats/coordination",
      "GET /metrics",
      "GET /health",
      "GET /health/live",
    ]);
  });

  it.each(routes.map((route): [string, Route] => [route.key, route]))(
    "have an example of %s that its schemas accept as it is",
    (key, { example, body, reply, statuses }) => {
      const { requestBody, responses } = operationOf(key);
      const parsed = reply.parse(example.reply);
      // A field that the schema does not know is left out by it, and would be a mistake in the example.
      expect(parsed).toEqual(example.reply);
      for (const status of statuses) {
        expect(responses[String(status)]?.content?.["application/json"]?.example).toEqual(example.reply);
      }
      expect(requestBody?.content["application/json"]?.example).toEqual(example.body);
      if (body !== undefined) expect(body.safeParse(example.body).error).toBeUndefined();
    },
  );
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
