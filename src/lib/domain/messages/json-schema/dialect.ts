import { removeUriSchemePlugin, value } from "@hyperjump/browser";
import { registerSchema, setMetaSchemaOutputFormat } from "@hyperjump/json-schema/draft-2020-12";
import {
  addKeyword,
  BASIC,
  compile,
  defineVocabulary,
  getKeyword,
  getSchema,
  type Keyword,
  loadDialect,
} from "@hyperjump/json-schema/experimental";
import { value as instanceValue, typeOf } from "@hyperjump/json-schema/instance/experimental";
import { BadSchema } from "./bad-schema.ts";
import { isDearPattern } from "./dear-pattern.ts";
import { isMultipleOf } from "./multiple-of.ts";
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

/** A keyword of regular expressions whose errors say where they are, in our words; dear ones are refused. */
function naming(id: string, patternsOf: (value: unknown) => readonly string[]): Keyword<unknown> {
  const keyword = getKeyword<unknown>(id);
  return {
    ...keyword,
    async compile(schema, ast, parent) {
      try {
        const compiled = await keyword.compile(schema, ast, parent);
        // The standard's own patterns are compiled while the library is prepared; they are not asked.
        if (ready && patternsOf(value(schema)).some(isDearPattern)) {
          throw new BadSchema("is a regular expression that takes too long for some texts", schema.cursor);
        }
        return compiled;
      } catch (error) {
        if (error instanceof SyntaxError) throw new BadSchema("is not a regular expression", schema.cursor);
        throw error;
      }
    },
  };
}

/**
 * Prepares the library, once per process. A schema with a reference to another document is refused, never loaded: it could
 * name a file of this machine or an address that only this machine reaches.
 */
async function prepare(): Promise<void> {
  for (const scheme of ["http", "https", "file"]) removeUriSchemePlugin(scheme);
  // What is wrong with a schema is told with its places.
  setMetaSchemaOutputFormat(BASIC);
  addKeyword(multipleOf);
  addKeyword(naming(`${KEYWORDS}/pattern`, (pattern) => [String(pattern)]));
  addKeyword(naming(`${KEYWORDS}/patternProperties`, (patterns) => Object.keys(patterns ?? {})));
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
  ready = true;
}

const FIRST = "https://message-type.invalid/first";

/** Whether the library has been prepared: from then on schemas are those of callers. */
let ready = false;

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
