import { removeUriSchemePlugin, value } from "@hyperjump/browser";
import { registerSchema, setMetaSchemaOutputFormat } from "@hyperjump/json-schema/draft-2020-12";
import {
  addKeyword,
  BASIC,
  compile,
  defineVocabulary,
  getSchema,
  type Keyword,
  loadDialect,
} from "@hyperjump/json-schema/experimental";
import { value as instanceValue, typeOf } from "@hyperjump/json-schema/instance/experimental";
import { isMultipleOf } from "./multiple-of.ts";
import { addPatternKeywords } from "./pattern-keywords.ts";
import { textKeywords } from "./plain-values.ts";

/** JSON Schema 2020-12 as the library has it, with what we change: nothing is loaded from elsewhere, multiples are exact, a bad pattern names its place. */

/** What `$schema` may say. */
export const STANDARD = "https://json-schema.org/draft/2020-12/schema";
/** The standard's dialect with our keywords: see plain-values.ts. */
export const DIALECT = "https://message-type.invalid/dialect";

const KEYWORDS = "https://json-schema.org/keyword";
const VOCABULARIES = "https://json-schema.org/draft/2020-12/vocab";
const OWN_VOCABULARY = "https://message-type.invalid/vocabulary";

/** The library's own takes remainders below 1.2e-7 for none, so that every number is a multiple of 1e-8. */
const multipleOf: Keyword<number> = {
  id: `${KEYWORDS}/multipleOf`,
  compile: async (schema) => value<number>(schema),
  interpret: (divisor, instance) =>
    typeOf(instance) !== "number" || isMultipleOf(instanceValue<number>(instance), divisor),
};

/**
 * Prepares the library, once per process. A schema with a reference to another document is refused, never loaded: it could
 * name a file of this machine or an address that only this machine reaches.
 */
async function prepare(): Promise<void> {
  for (const scheme of ["http", "https", "file"]) removeUriSchemePlugin(scheme);
  // What is wrong with a schema is told with its places.
  setMetaSchemaOutputFormat(BASIC);
  addKeyword(multipleOf);
  addPatternKeywords(KEYWORDS);
  const own = textKeywords(OWN_VOCABULARY);
  addKeyword(own.const);
  addKeyword(own.enum);
  defineVocabulary(OWN_VOCABULARY, { const: own.const.id, enum: own.enum.id });
  const parts = ["core", "applicator", "validation", "meta-data", "format-annotation", "content", "unevaluated"];
  const vocabularies = [...parts.map((part) => `${VOCABULARIES}/${part}`), OWN_VOCABULARY];
  loadDialect(DIALECT, Object.fromEntries(vocabularies.map((name) => [name, true])), true);
  registerSchema({ $id: DIALECT, $schema: STANDARD, $ref: STANDARD });
  // The library compiles the schemas of dialects when it first checks by them, and keeps the result: that must be of the real
  // ones, not of a stranger's schema with the same $id.
  registerSchema({ type: "object" }, FIRST, DIALECT);
  await compile(await getSchema(FIRST));
}

const FIRST = "https://message-type.invalid/first";

let prepared: Promise<void> | undefined;

/**
 * Resolves when the library is ready for one more schema. It remembers every keyword that it has met, unknown ones by their names and for
 * ever; adding a keyword makes it forget them, so that schemas which come and go leave nothing behind.
 */
export async function dialectReady(): Promise<void> {
  prepared ??= prepare();
  await prepared;
  addKeyword(multipleOf);
}
