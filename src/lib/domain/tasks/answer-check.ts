import { z } from "zod";
import { AgentCommunicationError, type FieldError } from "../../model/errors.ts";
import type { JsonValue } from "../../model/json.ts";
import type { AnswerSchema, QuestionContent } from "../../model/question.ts";

/** Whether an answer is what a question asks for. */

type Property = AnswerSchema["properties"][string];

/** JSON Schema counts characters, not UTF-16 units: https://json-schema.org/draft/2020-12/json-schema-validation#name-maxlength */
function textOf({ minLength = 0, maxLength = Number.POSITIVE_INFINITY, enum: choices }: Property & { type: "string" }) {
  return z.string().superRefine((text, context) => {
    const length = [...text].length;
    if (choices !== undefined && !choices.includes(text)) {
      context.addIssue({ code: "custom", message: `must be one of: ${choices.join(", ")}` });
    } else if (length < minLength)
      context.addIssue({ code: "custom", message: `must have at least ${minLength} characters` });
    else if (length > maxLength)
      context.addIssue({ code: "custom", message: `must have at most ${maxLength} characters` });
  });
}

function numberOf({ type, minimum, maximum }: Property & { type: "number" | "integer" }) {
  let schema = z.number();
  // 1.0 is an integer of JSON Schema; there is no other reading of it in JavaScript.
  if (type === "integer") schema = schema.refine(Number.isInteger, "must be a whole number");
  if (minimum !== undefined) schema = schema.min(minimum, `must be at least ${minimum}`);
  return maximum === undefined ? schema : schema.max(maximum, `must be at most ${maximum}`);
}

function schemaOf(property: Property): z.ZodType {
  if (property.type === "string") return textOf(property);
  return property.type === "boolean" ? z.boolean() : numberOf(property);
}

function objectOf({ properties, required = [] }: AnswerSchema): z.ZodType {
  const shape = Object.entries(properties).map(([name, property]) => {
    const value = schemaOf(property);
    return [name, required.includes(name) ? value : value.optional()] as const;
  });
  return z.strictObject(Object.fromEntries(shape));
}

/** The places of an answer that are not as asked; none when it fits. */
export function answerProblems({ schema, options }: QuestionContent, answer: JsonValue): FieldError[] {
  if (options !== undefined) {
    const fits = typeof answer === "string" && options.includes(answer);
    return fits ? [] : [{ path: "", message: `must be one of: ${options.join(", ")}` }];
  }
  if (schema === undefined) return [];
  const parsed = objectOf(schema).safeParse(answer);
  if (parsed.success) return [];
  return parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
}

/** @param path where the answer stands in the request @throws SCHEMA_MISMATCH naming the places */
export function requireFitting(question: QuestionContent, answer: JsonValue, path: string): void {
  const errors = answerProblems(question, answer).map((error) => ({
    ...error,
    path: error.path === "" ? path : `${path}.${error.path}`,
  }));
  if (errors.length === 0) return;
  const detail = `The answer is not what the question asks for: ${errors[0]?.path} ${errors[0]?.message}`;
  throw new AgentCommunicationError("SCHEMA_MISMATCH", detail, { errors });
}
