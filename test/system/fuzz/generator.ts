import type { Random } from "../../support/random.ts";
import { HOSTILE_NUMBERS, HOSTILE_SEGMENTS, HOSTILE_STRINGS, HOSTILE_VALUES } from "./hostile.ts";
import { jsonText } from "./json-text.ts";
import type { Api, Operation, Schema } from "./open-api.ts";
import type { FuzzRequest } from "./wire.ts";

/** Ids that exist, so that requests get past "not found". Replies add to it. */
export class Known {
  readonly agents: string[];
  readonly messages: string[] = ["unknown-message"];
  readonly tasks: string[] = ["unknown-task"];
  readonly cursors: string[] = ["x"];

  constructor(agents: readonly string[]) {
    this.agents = [...agents];
  }

  /** Remembers at most so many of a kind; the newest push out the oldest. */
  learn(kind: "messages" | "tasks" | "cursors", id: string): void {
    if (this[kind].length >= 200) this[kind].shift();
    this[kind].push(id);
  }
}

const MAX_DEPTH = 6;

/** Requests from the document: right in most places, with `oddity` as the chance that any one value is hostile. */
export class Generator {
  readonly #api: Api;
  readonly #random: Random;
  readonly #known: Known;
  #fresh = 0;

  constructor(api: Api, random: Random, known: Known) {
    this.#api = api;
    this.#random = random;
    this.#known = known;
  }

  request(operation: Operation, oddity: number): FuzzRequest {
    const random = this.#random;
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      if (random.chance(oddity)) return random.pick(HOSTILE_SEGMENTS);
      return encodeURIComponent(this.#id(name));
    });
    const headers: Record<string, string> = {};
    const query: string[] = [];
    for (const { name, in: place, required, schema } of operation.parameters) {
      if (place === "path" || (!required && random.chance(0.6))) continue;
      const value = this.value(schema, name, oddity, 0);
      const text = typeof value === "string" ? value : jsonText(value);
      if (place === "query") query.push(`${name}=${encodeURIComponent(text.toWellFormed())}`);
      else headers[name.toLowerCase()] = text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 2_000);
    }
    const body = this.body(operation, oddity);
    if (body !== undefined) headers["content-type"] = "application/json";
    return {
      method: operation.method,
      path: query.length === 0 ? path : `${path}?${query.join("&")}`,
      headers,
      body: body === undefined ? undefined : Buffer.from(jsonText(body), "utf8"),
      why: `${operation.id} with oddity ${oddity}`,
    };
  }

  /** The JSON value of a body; undefined when the operation takes none. */
  body(operation: Operation, oddity: number): unknown {
    if (operation.body === undefined) return undefined;
    return this.value(operation.body, "", oddity, 0);
  }

  /** A value of the schema; `name` is the property's, by which ids are told apart. */
  value(given: Schema, name: string, oddity: number, depth: number): unknown {
    const random = this.#random;
    if (depth > 0 && random.chance(oddity)) return random.pick(HOSTILE_VALUES);
    const schema = this.#resolve(given);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices !== undefined && choices.length > 0) return this.value(random.pick(choices), name, oddity, depth);
    if (schema.enum !== undefined) return random.pick(schema.enum);
    if (schema.const !== undefined) return schema.const;
    const type = Array.isArray(schema.type) ? random.pick(schema.type) : schema.type;
    switch (type) {
      case "object":
        return this.#object(schema, oddity, depth);
      case "array":
        return this.#array(schema, name, oddity, depth);
      case "string":
        return this.#string(schema, name);
      case "integer":
      case "number":
        return this.#number(schema, name, type);
      case "boolean":
        return random.chance(0.5);
      case "null":
        return null;
      default:
        return this.#anything(depth);
    }
  }

  /** Follows references and merges allOf; the document is ours, so a reference that leads nowhere is a defect. */
  #resolve(schema: Schema): Schema {
    if (schema.$ref !== undefined) {
      const name = schema.$ref.replace("#/components/schemas/", "");
      const target = this.#api.schemas[name];
      if (target === undefined) throw new Error(`${schema.$ref} is not in the document`);
      return this.#resolve(target);
    }
    if (schema.allOf === undefined) return schema;
    return Object.assign({ ...schema }, ...schema.allOf.map((part) => this.#resolve(part)));
  }

  #object(schema: Schema, oddity: number, depth: number): unknown {
    const random = this.#random;
    const object: Record<string, unknown> = {};
    if (depth > MAX_DEPTH) return object;
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const required = schema.required?.includes(name) ?? false;
      if (required ? random.chance(oddity / 2) : random.chance(0.55)) continue;
      object[name] = this.value(property, name, oddity, depth + 1);
    }
    // They exclude each other, which a schema cannot say; mostly only one of them, or few sends would be accepted.
    if (random.chance(0.9) && object.deliverAt !== undefined) object.delaySeconds = undefined;
    // Likewise whom a grant is for.
    const { required = [] } = schema;
    if (random.chance(0.9) && object.agentId !== undefined && !required.includes("agentId")) object.role = undefined;
    if (random.chance(oddity / 2)) object[random.pick(HOSTILE_STRINGS).toWellFormed()] = random.pick(HOSTILE_VALUES);
    return object;
  }

  #array(schema: Schema, name: string, oddity: number, depth: number): unknown[] {
    const low = schema.minItems ?? 0;
    const high = Math.min(schema.maxItems ?? 4, 4);
    const items = schema.items ?? {};
    if (depth > MAX_DEPTH) return [];
    const length = this.#random.between(low, Math.max(low, high));
    return Array.from({ length }, () => this.value(items, name, oddity, depth + 1));
  }

  #string(schema: Schema, name: string): string {
    if (schema.format === "date-time") {
      return new Date(1_700_000_000_000 + this.#random.between(0, 2_000_000) * 1_000_000).toISOString();
    }
    if (name === "cursor") return this.#random.pick(this.#known.cursors);
    if (schema.pattern === undefined) return this.#random.pick(["", "plain words", "Ünïcödé 💥", "x".repeat(300)]);
    return this.#id(name);
  }

  #id(name: string): string {
    const random = this.#random;
    const { agents, messages, tasks } = this.#known;
    if (name === "receiver" && random.chance(0.2)) return random.pick(["#jobs", "#news", "#nowhere"]);
    if (name === "name") return random.pick(["jobs", "news", "nowhere"]);
    if (/^(?:agentId|members|sender|receiver|supervisor|assignTo|assignedTo|replyTo)$/.test(name))
      return random.pick(agents);
    if (/^messageIds?$/.test(name)) return this.#oldOrNew(messages);
    if (/^(?:taskId|parentTaskId|dependsOn)$/.test(name)) return this.#oldOrNew(tasks);
    if (name === "type") return random.pick(["notification", "query", "fuzz.type", "task_update"]);
    if (name === "types") return random.pick(["notification", "query", "fuzz.type", "task_result"]);
    if (/apabilit/.test(name)) return random.pick(["python", "react", "c++", "python@3.12"]);
    return random.pick(["work", "key-1", "key-2", "x.y:z"]);
  }

  #oldOrNew(ids: readonly string[]): string {
    if (this.#random.chance(0.6)) return this.#random.pick(ids);
    this.#fresh += 1;
    return `fuzz-${this.#fresh}`;
  }

  #number(schema: Schema, name: string, type: "integer" | "number"): unknown {
    const random = this.#random;
    // A long poll would only make the run slow.
    if (name === "waitSeconds") return 0;
    if (name === "attempt") return random.between(1, 3);
    const low = schema.minimum ?? schema.exclusiveMinimum ?? 0;
    const high = schema.maximum ?? 1_000;
    if (random.chance(0.1)) return random.pick([low, high]);
    const value = low + random.next() * Math.min(high - low, 100);
    return type === "integer" ? Math.min(high, Math.max(low, Math.round(value))) : value;
  }

  #anything(depth: number): unknown {
    const random = this.#random;
    if (depth > 3 || random.chance(0.5))
      return random.pick(["text", 1, true, null, 1.5, ...HOSTILE_NUMBERS.slice(2, 4)]);
    return { a: this.#anything(depth + 1), b: [this.#anything(depth + 1)] };
  }
}
