import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { withinTime } from "../within-time.ts";
import type { MessageTypeDefinition } from "./message.ts";

/** Compiles schemas by Ajv. Loaded with the first schema: Ajv takes long to load, and most processes never see a type with one. */

const COMPILE_MILLISECONDS = 1_000;

/**
 * One Ajv for one schema: their $ids must not meet. Formats are annotations, as the standard has them by default; remote
 * references cannot be loaded, since no loader is given.
 *
 * @throws Error saying what is wrong with the schema, or that it takes more than a second
 */
export function compileSchema(schema: MessageTypeDefinition["schema"]): ValidateFunction {
  const options = {
    strict: false,
    allErrors: false,
    validateFormats: false,
    inlineRefs: false,
    logger: false,
  } as const;
  const validate = withinTime(() => new Ajv2020(options).compile(schema), COMPILE_MILLISECONDS);
  if ("$async" in validate) throw new Error("asynchronous schemas are not supported");
  return validate;
}
