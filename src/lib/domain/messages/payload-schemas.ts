import { nextRound } from "../../base/event-loop.ts";
import { Turns } from "../../base/turns.ts";
import { withinTime } from "../../base/within-time.ts";
import { AgentCommunicationError, type FieldError } from "../../model/errors.ts";
import type { JsonValue } from "../../model/json.ts";
import type { MessageTypeDefinition } from "../../model/message.ts";
import { currentCall } from "../../trace/call-context.ts";
import { processorWatch } from "../../trace/processor-watch.ts";
import type { PayloadCheck } from "./compile-schema.ts";
import { BadSchema } from "./json-schema/bad-schema.ts";

/** Schemas of custom types (JSON Schema 2020-12, https://json-schema.org/draft/2020-12). */

/** Compiled checks kept at most, and characters of their schemas (up to 40 bytes each, measured); beyond it the cache starts anew. */
const CACHED_MAX = 500;
const CACHED_MAX_CHARACTERS = 1_048_576;
const VALIDATE_MILLISECONDS = 100;
/** A check that took longer is followed by a turn of the others. */
const TURN_MILLISECONDS = 2;

/**
 * What can make a check cost more than schema times payload: references (recursion, exponential alternatives), regular
 * expressions (backtracking) and what compares or collects whole values.
 */
const COSTLY_KEYWORDS =
  /"(?:\$ref|\$dynamicRef|pattern|patternProperties|uniqueItems|unevaluatedItems|unevaluatedProperties)"/;
/** Schemas beyond this are watched as well. */
const CHEAP_SCHEMA_CHARACTERS = 4_096;
/** Payloads of more values are watched as well: 1,000 values times the some 400 parts of a cheap schema take 40 ms at most. */
const CHEAP_PAYLOAD_VALUES = 1_000;

async function compile(schema: MessageTypeDefinition["schema"]): Promise<PayloadCheck> {
  const { compileSchema } = await import("./compile-schema.ts");
  return compileSchema(schema);
}

interface Compiled {
  updatedAt: string;
  check: PayloadCheck;
  /** Whether checks run against the clock in any case, which costs some 0.1 ms each. */
  watched: boolean;
}

/** Checks payloads against the registered schema of their type. */
export class PayloadSchemas {
  readonly #compiled = new Map<string, Compiled>();
  #characters = 0;
  readonly #turns = new Turns();

  /** @throws INVALID_REQUEST with the place in the schema when it cannot be compiled */
  async check(schema: MessageTypeDefinition["schema"]): Promise<void> {
    try {
      await compile(schema);
    } catch (error) {
      const { path, message } = placed(error);
      const detail = `The schema is not valid JSON Schema 2020-12: ${path} ${message}`;
      throw new AgentCommunicationError("INVALID_REQUEST", detail, { errors: [{ path, message }] });
    }
  }

  /** @throws SCHEMA_MISMATCH naming the places, never their values */
  async validate(definition: MessageTypeDefinition, payload: JsonValue): Promise<void> {
    const { check, watched } = await this.#check(definition);
    // One such check at a time, with rounds for others between: of 64 callers with payloads that take 100 ms each, none waits for all.
    const dear = watched || isLarge(payload);
    if (dear) await this.#turns.next(0, true);
    const elapsed = processorWatch();
    const errors = await problemsInTurn(elapsed, () => problems(definition.type, dear, () => check(payload)));
    if (errors.length === 0) return;
    const detail = `The payload does not satisfy the schema of ${definition.type}: ${errors[0]?.path} ${errors[0]?.message}`;
    throw new AgentCommunicationError("SCHEMA_MISMATCH", detail, { errors });
  }

  async #check(definition: MessageTypeDefinition): Promise<Compiled> {
    const known = this.#compiled.get(definition.type);
    if (known?.updatedAt === definition.updatedAt) return known;
    const text = JSON.stringify(definition.schema);
    const watched = text.length > CHEAP_SCHEMA_CHARACTERS || COSTLY_KEYWORDS.test(text);
    const compiled = { updatedAt: definition.updatedAt, check: await usable(definition), watched };
    if (this.#compiled.size >= CACHED_MAX || this.#characters > CACHED_MAX_CHARACTERS) {
      this.#compiled.clear();
      this.#characters = 0;
    }
    this.#compiled.set(definition.type, compiled);
    this.#characters += text.length;
    return compiled;
  }
}

/** Who sends a batch of payloads that are dear to check lets others have their turn between two of them, and is charged for each. */
async function problemsInTurn(
  elapsed: () => number,
  check: () => readonly FieldError[],
): Promise<readonly FieldError[]> {
  try {
    return check();
  } finally {
    const milliseconds = elapsed();
    currentCall().spend?.(milliseconds);
    if (milliseconds > TURN_MILLISECONDS) await nextRound();
  }
}

/** Where and what, as the body of `PUT /message-types/{type}` names it. */
function placed(error: unknown): FieldError {
  if (!(error instanceof BadSchema)) return { path: "schema", message: "cannot be compiled" };
  return { path: `schema${error.pointer.replaceAll("/", ".")}`.slice(0, 256), message: error.message.slice(0, 300) };
}

/**
 * The check of a registered schema. One that an earlier version accepted and this one does not (an endless reference, a keyword
 * with an invalid value) refuses every payload until an admin registers it anew.
 */
async function usable({ type, schema }: MessageTypeDefinition): Promise<PayloadCheck> {
  try {
    return await compile(schema);
  } catch (error) {
    const { path, message } = placed(error);
    const problem = { path: "payload", message: `cannot be checked: ${path} of ${type} ${message}` };
    return () => [problem];
  }
}

/** Whether a payload has more values than are checked without a clock. Stops counting there. */
function isLarge(payload: JsonValue): boolean {
  const waiting: JsonValue[] = [payload];
  let values = 0;
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    values += 1;
    const parts = typeof value === "object" && value !== null ? Object.values(value) : [];
    if (values + waiting.length + parts.length > CHEAP_PAYLOAD_VALUES) return true;
    waiting.push(...parts);
  }
  return false;
}

/** A check that does not end in time, or overflows the stack, refuses the payload: it cannot be said to fit. */
function problems(type: string, watched: boolean, check: () => readonly FieldError[]): readonly FieldError[] {
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
