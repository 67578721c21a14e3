import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { AgentCommunicationError, type FieldError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { MessageTypeDefinition } from "./message.ts";

/** Schemas of custom types, compiled by Ajv (JSON Schema 2020-12, https://json-schema.org/draft/2020-12). */

/** Compiled validators kept at most; beyond it the cache starts anew. */
const CACHED_MAX = 500;
const REPORTED_MAX = 10;

/**
 * One Ajv for one schema: their $ids must not meet. Formats are annotations, as the standard has them by default; remote
 * references cannot be loaded, since no loader is given.
 */
function compile(schema: MessageTypeDefinition["schema"]): ValidateFunction {
  return new Ajv2020({ strict: false, allErrors: false, validateFormats: false, logger: false }).compile(schema);
}

/** Checks payloads against the registered schema of their type. */
export class PayloadSchemas {
  readonly #compiled = new Map<string, { updatedAt: string; validate: ValidateFunction }>();

  /** @throws INVALID_REQUEST when the schema is none that can be compiled */
  check(schema: MessageTypeDefinition["schema"]): void {
    try {
      compile(schema);
    } catch (error) {
      const message = error instanceof Error ? error.message.slice(0, 300) : "it cannot be compiled";
      throw new AgentCommunicationError("INVALID_REQUEST", `The schema is not valid JSON Schema 2020-12: ${message}`, {
        errors: [{ path: "schema", message }],
      });
    }
  }

  /** @throws SCHEMA_MISMATCH naming the places, never their values */
  validate(definition: MessageTypeDefinition, payload: JsonValue): void {
    const validate = this.#validator(definition);
    if (validate(payload)) return;
    const errors: FieldError[] = (validate.errors ?? []).slice(0, REPORTED_MAX).map((error) => ({
      path: `payload${error.instancePath.replaceAll("/", ".")}`.slice(0, 256),
      message: error.message ?? "is not valid",
    }));
    const detail = `The payload breaks the schema of ${definition.type}: ${errors[0]?.path} ${errors[0]?.message}`;
    throw new AgentCommunicationError("SCHEMA_MISMATCH", detail, { errors });
  }

  #validator(definition: MessageTypeDefinition): ValidateFunction {
    const known = this.#compiled.get(definition.type);
    if (known?.updatedAt === definition.updatedAt) return known.validate;
    if (this.#compiled.size >= CACHED_MAX) this.#compiled.clear();
    const validate = compile(definition.schema);
    this.#compiled.set(definition.type, { updatedAt: definition.updatedAt, validate });
    return validate;
  }
}
