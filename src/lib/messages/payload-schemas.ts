import type { ValidateFunction } from "ajv/dist/2020.js";
import { AgentCommunicationError, type FieldError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import { withinTime } from "../within-time.ts";
import type { MessageTypeDefinition } from "./message.ts";

/** Schemas of custom types (JSON Schema 2020-12, https://json-schema.org/draft/2020-12). */

/** Compiled validators kept at most; beyond it the cache starts anew. */
const CACHED_MAX = 500;
const REPORTED_MAX = 10;
const VALIDATE_MILLISECONDS = 250;

/**
 * What can make a check cost more than schema times payload: references (recursion, exponential alternatives), regular
 * expressions (backtracking) and uniqueItems (every pair).
 */
const COSTLY_KEYWORDS = /"(?:\$ref|\$dynamicRef|pattern|patternProperties|uniqueItems)"/;
/** Schemas beyond this are watched as well, since a payload has up to 256 KiB for each of their parts. */
const CHEAP_SCHEMA_CHARACTERS = 4_096;

async function compile(schema: MessageTypeDefinition["schema"]): Promise<ValidateFunction> {
  const { compileSchema } = await import("./compile-schema.ts");
  return compileSchema(schema);
}

interface Compiled {
  updatedAt: string;
  validate: ValidateFunction;
  /** Whether checks run against the clock, which costs some 0.1 ms each. */
  watched: boolean;
}

/** Checks payloads against the registered schema of their type. */
export class PayloadSchemas {
  readonly #compiled = new Map<string, Compiled>();

  /** @throws INVALID_REQUEST when the schema is none that can be compiled */
  async check(schema: MessageTypeDefinition["schema"]): Promise<void> {
    try {
      await compile(schema);
    } catch (error) {
      const message = error instanceof Error ? error.message.slice(0, 300) : "it cannot be compiled";
      throw new AgentCommunicationError("INVALID_REQUEST", `The schema is not valid JSON Schema 2020-12: ${message}`, {
        errors: [{ path: "schema", message }],
      });
    }
  }

  /** @throws SCHEMA_MISMATCH naming the places, never their values */
  async validate(definition: MessageTypeDefinition, payload: JsonValue): Promise<void> {
    const { validate, watched } = await this.#validator(definition);
    if (isValid(definition.type, watched, () => validate(payload) === true)) return;
    const errors: FieldError[] = (validate.errors ?? []).slice(0, REPORTED_MAX).map((error) => ({
      path: `payload${error.instancePath.replaceAll("/", ".")}`.slice(0, 256),
      message: error.message ?? "is not valid",
    }));
    const detail = `The payload breaks the schema of ${definition.type}: ${errors[0]?.path} ${errors[0]?.message}`;
    throw new AgentCommunicationError("SCHEMA_MISMATCH", detail, { errors });
  }

  async #validator(definition: MessageTypeDefinition): Promise<Compiled> {
    const known = this.#compiled.get(definition.type);
    if (known?.updatedAt === definition.updatedAt) return known;
    const text = JSON.stringify(definition.schema);
    const watched = text.length > CHEAP_SCHEMA_CHARACTERS || COSTLY_KEYWORDS.test(text);
    const compiled = { updatedAt: definition.updatedAt, validate: await compile(definition.schema), watched };
    if (this.#compiled.size >= CACHED_MAX) this.#compiled.clear();
    this.#compiled.set(definition.type, compiled);
    return compiled;
  }
}

/** A check that does not end in time, or overflows the stack, refuses the payload: it cannot be said to fit. */
function isValid(type: string, watched: boolean, check: () => boolean): boolean {
  try {
    return watched ? withinTime(check, VALIDATE_MILLISECONDS) : check();
  } catch (error) {
    const message = `could not be checked within ${VALIDATE_MILLISECONDS} ms`;
    throw new AgentCommunicationError("SCHEMA_MISMATCH", `The payload ${message} against the schema of ${type}.`, {
      errors: [{ path: "payload", message }],
      cause: error,
    });
  }
}
