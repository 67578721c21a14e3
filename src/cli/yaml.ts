import { isScalar, parseDocument, visit } from "yaml";
import type { JsonValue } from "../lib/model/json.ts";
import { changedNumbers } from "../lib/model/json-numbers.ts";
import { WORKFLOW_REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { parse } from "../lib/model/parse.ts";
import { jsonSchema } from "../lib/model/values.ts";
import { UsageError } from "./exit-codes.ts";

/**
 * YAML 1.2 as the JSON that it stands for; JSON is YAML, too. Names that stand twice, several documents, and numbers that JSON has
 * not or would change are refused.
 *
 * @param what the file, for the error
 * @throws UsageError
 * @example
 * readYaml("tasks: [{ref: a, taskType: build}]", "release.yaml");
 */
export function readYaml(text: string, what: string): JsonValue {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw new UsageError(`${what}: ${problem.message.split("\n")[0]}`);
  visit(document, {
    Scalar(_key, { value, source = "" }) {
      if (typeof value === "number" && !isKept(value, source)) {
        throw new UsageError(`${what}: JSON cannot carry the number ${source}; write it as a text, in quotes.`);
      }
    },
    Pair(_, { key }) {
      if (!isScalar(key) || typeof key.value !== "string") {
        throw new UsageError(`${what}: names have to be texts.`);
      }
    },
  });
  try {
    return parse(jsonSchema(WORKFLOW_REQUEST_MAX_BYTES), document.toJS());
  } catch (error) {
    throw new UsageError(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Whether a JSON reader gets the number that stands there. Octal and hexadecimal ones are whole. */
function isKept(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false;
  if (/^0[xo]/i.test(source)) return Number.isSafeInteger(value);
  // YAML writes +1 and .5, too.
  return changedNumbers(source.replace(/^\+/, "").replace(/^(-?)\./, "$10.")).length === 0;
}
