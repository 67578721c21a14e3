import { type Browser, keys, typeOf as kindOf, step, value } from "@hyperjump/browser";
import {
  addKeyword,
  getKeyword,
  type Keyword,
  type SchemaDocument,
  Validation,
} from "@hyperjump/json-schema/experimental";
import { LinearPattern } from "../linear-pattern/linear-pattern.ts";
import { Allowance, PatternProblem } from "../linear-pattern/pattern-problem.ts";
import { BadSchema } from "./bad-schema.ts";

/**
 * The keywords with regular expressions: they match in linear time, and what is wrong with one is said with its place, in our words. The
 * library's own `additionalProperties` makes one expression of all names and patterns beside it.
 */

/** Parts of all expressions of a schema, repeated ones as often as they are repeated; some 20 bytes each. */
const STATES_MAX = 50_000;
const TOO_MANY = "repeats too much: bound lengths by maxLength, not by {n,m}";

interface Tester {
  test(text: string): boolean;
}

/** The expressions of one schema, the same one only once. */
class PatternBook {
  readonly #known = new Map<string, Tester>();
  readonly #allowance = new Allowance(STATES_MAX, TOO_MANY);

  of(pattern: string, { cursor }: Browser<SchemaDocument>): Tester {
    const known = this.#known.get(pattern);
    if (known !== undefined) return known;
    try {
      const made = new LinearPattern(pattern, this.#allowance);
      this.#known.set(pattern, made);
      return made;
    } catch (error) {
      if (error instanceof SyntaxError) throw new BadSchema("is not a regular expression", cursor);
      if (error instanceof PatternProblem) throw new BadSchema(error.message, cursor);
      throw error;
    }
  }
}

/** By what the library makes of a schema: it is handed to every keyword. */
const books = new WeakMap<object, PatternBook>();

function bookOf(ast: object): PatternBook {
  const book = books.get(ast) ?? new PatternBook();
  books.set(ast, book);
  return book;
}

function pattern(id: string): Keyword<Tester> {
  return {
    ...getKeyword<Tester>(id),
    compile: async (schema, ast) => bookOf(ast).of(value<string>(schema), schema),
  };
}

function patternProperties(id: string): Keyword<[Tester, string][]> {
  const keyword = getKeyword<[Tester, string][]>(id);
  return {
    ...keyword,
    async compile(schema, ast, parent) {
      // First, so that those which are none have been told.
      const testers = [...keys(schema)].map((text) => bookOf(ast).of(text, schema));
      const compiled = await keyword.compile(schema, ast, parent);
      return compiled.map(([native, uri], index) => [testers[index] ?? native, uri]);
    },
  };
}

function additionalProperties(id: string): Keyword<[Tester, string]> {
  return {
    ...getKeyword<[Tester, string]>(id),
    async compile(schema, ast, parent) {
      const beside = async (name: string) => {
        const sibling = await step(name, parent);
        return kindOf(sibling) === "object" ? [...keys(sibling)] : [];
      };
      const names = new Set(await beside("properties"));
      const testers = (await beside("patternProperties")).map((text) => bookOf(ast).of(text, schema));
      const known = { test: (name: string) => names.has(name) || testers.some((tester) => tester.test(name)) };
      return [known, await Validation.compile(schema, ast, parent)];
    },
  };
}

/** Puts them in the place of the library's own. */
export function addPatternKeywords(prefix: string): void {
  addKeyword(pattern(`${prefix}/pattern`));
  addKeyword(patternProperties(`${prefix}/patternProperties`));
  addKeyword(additionalProperties(`${prefix}/additionalProperties`));
}
