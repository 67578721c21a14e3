import type { Random } from "../../support/random.ts";
import type { Generator } from "./generator.ts";
import { BAD_CURSORS, BROKEN_BODIES, HOSTILE_SEGMENTS, HOSTILE_VALUES, WRONG_CONTENT_TYPES } from "./hostile.ts";
import { jsonText, RawJson } from "./json-text.ts";
import type { Api, Operation } from "./open-api.ts";
import type { FuzzRequest } from "./wire.ts";

/** Requests that must be refused whatever else is in them, each for one reason that cannot be overlooked. */

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof RawJson);

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "PURGE"];

type Refusal = (parts: {
  api: Api;
  operation: Operation;
  generator: Generator;
  random: Random;
}) => FuzzRequest | undefined;

const withBody = (base: FuzzRequest, body: Buffer | string, why: string): FuzzRequest => ({
  ...base,
  headers: { ...base.headers, "content-type": "application/json" },
  body: typeof body === "string" ? Buffer.from(body, "utf8") : body,
  why,
});

/** Every reason, by name; undefined where it does not apply to the operation. */
export const REFUSALS: Readonly<Record<string, Refusal>> = {
  "a field that nobody knows": ({ operation, generator, random }) => {
    const base = generator.request(operation, 0);
    const body = generator.body(operation, 0);
    if (operation.method === "GET") return undefined;
    const object = {
      ...(isRecord(body) ? body : {}),
      [`unknown${random.between(1, 99)}`]: random.pick(HOSTILE_VALUES),
    };
    return withBody(base, jsonText(object), "unknown field");
  },
  "a required field left out": ({ operation, generator, random }) => {
    const body = generator.body(operation, 0);
    const required = operation.body?.required ?? [];
    if (!isRecord(body) || required.length === 0) return undefined;
    const without = random.pick(required);
    return withBody(generator.request(operation, 0), jsonText({ ...body, [without]: undefined }), `without ${without}`);
  },
  "a field of the wrong type": ({ operation, generator, random }) => {
    const body = generator.body(operation, 0);
    const typed = Object.entries(operation.body?.properties ?? {}).filter(([, { type }]) => typeof type === "string");
    if (!isRecord(body) || typed.length === 0) return undefined;
    const [name, { type }] = random.pick(typed);
    const wrong = type === "object" || type === "array" ? "text" : { no: [type] };
    return withBody(
      generator.request(operation, 0),
      jsonText({ ...body, [name]: wrong }),
      `${name} is not a ${String(type)}`,
    );
  },
  "a number that is none": ({ operation, generator, random }) => {
    const body = generator.body(operation, 0);
    const numbers = Object.entries(operation.body?.properties ?? {}).filter(
      ([, { type }]) => type === "integer" || type === "number",
    );
    if (!isRecord(body) || numbers.length === 0) return undefined;
    const [name] = random.pick(numbers);
    const absurd = random.pick([
      new RawJson("1e400"),
      new RawJson("-1e400"),
      -1,
      "1",
      "NaN",
      null,
      new RawJson("9223372036854775808"),
    ]);
    return withBody(generator.request(operation, 0), jsonText({ ...body, [name]: absurd }), `${name} absurd`);
  },
  "a body that is no object": ({ operation, generator, random }) => {
    if (operation.method === "GET") return undefined;
    return withBody(
      generator.request(operation, 0),
      random.pick(["[]", "null", "1", '"{}"', "true", "[{}]", "-0"]),
      "no object",
    );
  },
  "a body that is no JSON": ({ operation, generator, random }) => {
    if (operation.method === "GET") return undefined;
    return withBody(generator.request(operation, 0), random.pick(BROKEN_BODIES), "broken JSON");
  },
  "a body of another type": ({ operation, generator, random }) => {
    if (operation.method === "GET") return undefined;
    const base = withBody(generator.request(operation, 0), "{}", "content type");
    const type = random.pick(WRONG_CONTENT_TYPES);
    return { ...base, headers: { ...base.headers, "content-type": type }, why: `content-type ${type}` };
  },
  "a body in disguise": ({ operation, generator, random }) => {
    if (operation.method === "GET") return undefined;
    const base = withBody(generator.request(operation, 0), "{}", "content encoding");
    return { ...base, headers: { ...base.headers, "content-encoding": random.pick(["gzip", "br", "deflate", "x"]) } };
  },
  "a path parameter that is no id": ({ operation, generator, random }) => {
    if (!operation.path.includes("{")) return undefined;
    const segment = random.pick(HOSTILE_SEGMENTS);
    // A message type may consist of dots.
    if (operation.path.includes("{type}") && /^(?:%2e)+$/.test(segment)) return undefined;
    const base = generator.request({ ...operation, path: operation.path.replaceAll(/\{\w+\}/g, () => segment) }, 0);
    return { ...base, why: `segment ${segment.slice(0, 60)}` };
  },
  "an id that nobody has": ({ operation, generator, random }) => {
    // Deleting what is not there, and putting what is new, are none of these.
    if (!/\{(?:agentId|messageId|taskId)\}/.test(operation.path)) return undefined;
    const path = operation.path.replaceAll(/\{\w+\}/g, () => `nobody-${random.between(1, 1e6)}`);
    return { ...generator.request({ ...operation, path }, 0), why: "unknown id" };
  },
  "a query parameter that nobody knows": ({ operation, generator, random }) => {
    const base = generator.request(operation, 0);
    const name = random.pick([
      "unknown",
      "%00",
      "__proto__",
      "constructor",
      "limit%00",
      "LIMIT",
      "%F0%9F%92%A5",
      "a".repeat(3_000),
    ]);
    return {
      ...base,
      path: `${base.path}${base.path.includes("?") ? "&" : "?"}${name}=1`,
      why: `query ${name.slice(0, 40)}`,
    };
  },
  "a query parameter given twice": ({ operation, generator }) => {
    if (!operation.parameters.some(({ name }) => name === "limit")) return undefined;
    const base = generator.request({ ...operation, parameters: [] }, 0);
    return { ...base, path: `${base.path}?limit=1&limit=1`, why: "limit twice" };
  },
  "a limit that is none": ({ operation, generator, random }) => {
    if (!operation.parameters.some(({ name }) => name === "limit")) return undefined;
    const base = generator.request({ ...operation, parameters: [] }, 0);
    const limit = random.pick([
      "0",
      "-1",
      "201",
      "1.5",
      "1e9",
      "NaN",
      "Infinity",
      "1e400",
      "x",
      "%00",
      "9223372036854775808",
      "[]",
    ]);
    return { ...base, path: `${base.path}?limit=${limit}`, why: `limit ${limit}` };
  },
  "a cursor that is none": ({ operation, generator, random }) => {
    if (!operation.parameters.some(({ name }) => name === "cursor")) return undefined;
    const base = generator.request({ ...operation, parameters: [] }, 0);
    const cursor = random.pick(BAD_CURSORS);
    return { ...base, path: `${base.path}?cursor=${cursor}`, why: `cursor ${cursor.slice(0, 40)}` };
  },
  "a method that the path does not have": ({ api, operation, generator, random }) => {
    const base = generator.request(operation, 0);
    // HEAD is served wherever GET is, without a word of it in the document.
    const servedAs = (method: string) => (method === "HEAD" ? "GET" : method);
    const others = METHODS.filter((method) => !api.methods.get(operation.path)?.includes(servedAs(method)));
    const method = random.pick(others);
    // A literal path may also be a parameter of another route, which is then asked with another method.
    if (api.operations.some((other) => other.method === servedAs(method) && couldBe(other.path, operation.path)))
      return undefined;
    return { ...base, method, body: undefined, headers: {}, why: `method ${method}` };
  },
  "a path that is none": ({ operation, generator, random }) => {
    const base = generator.request(operation, 0);
    const [path = ""] = base.path.split("?");
    const trick = random.pick([
      `${path}/more`,
      `${path}//`,
      path.replace("/api/", "/api//"),
      path.replace("/api/", "/"),
      path.replace("/api/", "/api/../"),
      path.replace("/api/", "/api/./"),
      path.replace("/api/", "/api%2F"),
      path.replace("/api/", "//api/"),
      path.replace("/api/", "/api/v1/"),
      path.replace("/api/", "/apis/"),
      `/${"a/".repeat(2_000)}`,
      `/api/${"x".repeat(8_000)}`,
      "/api/%",
      "/api/%zz/x",
      "/api/..%2f..%2f",
      "/",
      "/api",
      "/api/",
      "*",
    ]);
    return { ...base, path: trick, why: `path ${trick.slice(0, 60)}` };
  },
  "a foreign host or page": ({ operation, generator, random }) => {
    const base = generator.request(operation, 0);
    const header: Record<string, string> = random.pick<Record<string, string>>([
      { host: "example.org" },
      { host: "127.0.0.1.example.org" },
      { host: "localhost@example.org" },
      { host: "-" },
      { host: "[::1" },
      { origin: "https://example.org" },
      { origin: "null" },
      { origin: "http://127.0.0.1:1" },
    ]);
    return { ...base, headers: { ...base.headers, ...header }, why: JSON.stringify(header) };
  },
  "headers without end": ({ operation, generator, random }) => {
    const base = generator.request({ ...operation, body: undefined }, 0);
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`x-${n}`, "y".repeat(300)]));
    const headers: Record<string, string> = random.chance(0.5) ? { "x-long": "y".repeat(17_000) } : many;
    return { ...base, headers: { ...headers, connection: "close" }, body: undefined, why: "huge headers" };
  },
};

/** True when a path of that pattern could be `path`, itself possibly with parameters. */
function couldBe(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((part, n) => part.startsWith("{") || given[n]?.startsWith("{") || part === given[n])
  );
}
