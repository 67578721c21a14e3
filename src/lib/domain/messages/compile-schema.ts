import { hasSchema, InvalidSchemaError, type SchemaObject } from "@hyperjump/json-schema/draft-2020-12";
import {
  buildSchemaDocument,
  type CompiledSchema,
  compile,
  getSchema,
  interpret,
} from "@hyperjump/json-schema/experimental";
import { fromJs } from "@hyperjump/json-schema/instance/experimental";
import type { FieldError } from "../../model/errors.ts";
import type { JsonValue } from "../../model/json.ts";
import type { MessageTypeDefinition } from "../../model/message.ts";
import { BadSchema } from "./json-schema/bad-schema.ts";
import { DIALECT, dialectReady, STANDARD } from "./json-schema/dialect.ts";
import { withTexts } from "./json-schema/plain-values.ts";
import { refuseDear } from "./json-schema/probes.ts";
import { ProblemCollector } from "./json-schema/problems.ts";

/**
 * Compiles schemas by @hyperjump/json-schema. Of eight validators measured on the official suite it is the one that has all
 * of 2020-12 right (docs/message-types.md), makes no code of schemas, and is kept by an author of the standard. Loaded with the
 * first schema: loading takes some 50 ms, and most processes never see a type with one.
 */

/** What a compiled schema is: the problems of a payload, none when it fits. @throws RangeError when the check recurses for ever */
export type PayloadCheck = (payload: JsonValue) => readonly FieldError[];

/** A place where nothing can be loaded from; what a schema's relative $id and $ref are relative to. */
const BASE = "https://message-type.invalid/";

/**
 * Keeps a schema from changing what those of others mean (a $vocabulary with an $id defines a dialect for the whole process), and
 * takes the $schema away, which may only name the dialect that is used in any case.
 */
function inDialect(schema: JsonValue, pointer = ""): JsonValue {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map((part, index) => inDialect(part, `${pointer}/${index}`));
  const kept = Object.entries(schema).filter(([name, part]) => {
    const place = `${pointer}/${name}`;
    if (name === "$vocabulary") throw new BadSchema("defines a dialect, which is not supported", place);
    if (name === "$id" && typeof part === "string" && hasSchema(part.replace(/#.*$/, ""))) {
      throw new BadSchema("is the id of a schema of the JSON Schema standard", place);
    }
    if (name !== "$schema" || typeof part !== "string") return true;
    if (part.replace(/#$/, "") !== STANDARD) throw new BadSchema(`must be ${STANDARD}`, place);
    return false;
  });
  return Object.fromEntries(kept.map(([name, part]) => [name, inDialect(part, `${pointer}/${name}`)]));
}

/**
 * A check of payloads. `format`, `contentMediaType` and the like are annotations, as the standard has them by default; keywords
 * that 2020-12 does not know (`dependencies`, `nullable`) mean nothing; references to other documents are refused.
 *
 * @throws BadSchema saying what is wrong with the schema, and where
 */
export async function compileSchema(schema: MessageTypeDefinition["schema"]): Promise<PayloadCheck> {
  await dialectReady();
  if (typeof schema === "object" && Object.hasOwn(schema, "$async")) {
    throw new BadSchema("asynchronous schemas are not supported", "/$async");
  }
  const compiled = await compileDocument(inDialect(withTexts(schema)));
  refuseDear(compiled);
  return checkOf(compiled);
}

async function compileDocument(schema: JsonValue): Promise<CompiledSchema> {
  try {
    const document = buildSchemaDocument(asLibrarys(schema), BASE, DIALECT);
    // The library's browser of documents, opened at this one: what a reference names is in it or in the standard's own schemas.
    const browser = { uri: document.baseUri, document, cursor: "", _cache: {} };
    return await compile(await getSchema(document.baseUri, browser));
  } catch (error) {
    throw asBadSchema(error);
  }
}

/** Its type of a schema and ours say the same: JSON. */
function asLibrarys(schema: JsonValue): SchemaObject | boolean {
  if (typeof schema === "boolean" || (typeof schema === "object" && schema !== null && !Array.isArray(schema))) {
    return schema;
  }
  throw new BadSchema("must be an object or a boolean", "");
}

function asBadSchema(error: unknown): BadSchema {
  if (error instanceof BadSchema) return error;
  if (error instanceof InvalidSchemaError)
    return new BadSchema("does not satisfy the meta-schema of JSON Schema 2020-12", placeOf(error));
  if (error instanceof RangeError) return new BadSchema("is nested too deeply, or refers to itself endlessly", "");
  const message = error instanceof Error ? error.message.replaceAll(BASE, "") : "";
  // "Unable to load resource '…'", "No schema found at '…'", "No such anchor '…'": its three ways to say that a reference fails.
  const missing = /^(?:Unable to load|No s).*?'([^']*)'/.exec(message)?.[1];
  if (missing !== undefined) {
    return new BadSchema(`refers to ${missing}, which it does not contain; other documents are not loaded`, "");
  }
  // Its own errors have sentences of their own; what else is thrown comes from a pointer into nothing, and would show its inside.
  const plain = error instanceof Error && error.constructor === Error;
  return new BadSchema(plain ? message : "cannot be compiled: one of its references cannot be resolved", "");
}

/** The deepest place that the standard's own schema complains of: the others are its parents. */
function placeOf({ output }: InvalidSchemaError): string {
  const places = (output.errors ?? []).map(({ instanceLocation }) =>
    instanceLocation.slice(instanceLocation.indexOf("#") + 1),
  );
  return places.reduce((deepest, place) => (place.length > deepest.length ? place : deepest), "");
}

function checkOf(schema: CompiledSchema): PayloadCheck {
  return (payload) => {
    const instance = fromJs(payload);
    if (interpret(schema, instance).valid) return [];
    // Only now with what tells the places, which takes three times as long.
    const collector = new ProblemCollector();
    interpret(schema, instance, { plugins: [collector] });
    return collector.problems.length === 0 ? [{ path: "payload", message: "is not valid" }] : collector.problems;
  };
}
