import { z } from "zod";
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from "zod-openapi";
import { idempotencyKeySchema } from "../base/idempotency.ts";
import { agentSchema } from "../model/agent.ts";
import { credentialSchema } from "../model/credential.ts";
import { ERRORS } from "../model/errors.ts";
import { explanationSchema } from "../model/explanation.ts";
import { leasedMessageSchema, messageSchema, sendMessageSchema } from "../model/message.ts";
import type { Repeat } from "../model/operations.ts";
import { assignmentSchema, assignTaskSchema, taskSchema } from "../model/task.ts";
import { VERSION } from "../model/version.ts";
import { BASE_PATH, type Route } from "./route.ts";
import { SWITCHBOARD_PAYLOADS } from "./switchboard-payloads.ts";

/** The route table as an OpenAPI 3.1 document. */

/** RFC 9457, with our code and, for invalid input, the places. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.fromEntries(Object.keys(ERRORS).map((code) => [code, code]))),
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

const problem = { $ref: "#/components/responses/Problem" } as const;

/** The statuses that a route may refuse with. */
function refusals(route: Route): Record<string, typeof problem> {
  const statuses = [400, 403, 404, 500, 503];
  if (route.method !== "GET") statuses.push(409, 413, 415, 422, 429);
  return Object.fromEntries(statuses.map((status) => [String(status), problem]));
}

type Success = {
  description: string;
  content: Record<string, { schema: z.ZodType; example: unknown }>;
};

function successes(route: Route): Record<string, Success> {
  const content = { "application/json": { schema: route.reply, example: route.example.reply } };
  return Object.fromEntries(route.statuses.map((status) => [String(status), { description: "Done", content }]));
}

function objectOrNothing(schema: z.ZodType | undefined): z.ZodObject | undefined {
  return schema instanceof z.ZodObject ? schema : undefined;
}

function withKey(description: string): z.ZodObject {
  return z.object({ "Idempotency-Key": idempotencyKeySchema.optional().meta({ description }) });
}

const SENDING = withKey("A repeat with the same key returns the first result. Not together with an id of your own.");
const KEYED = withKey(
  "A repeat with the same key returns the first result; of a registration by an enrolment key it replaces the token, until that is first used.",
);

/** How a repeat is told from a new call: a sentence for the description, and the header where one does. */
const REPEAT_FACTS: Readonly<Record<Repeat, { says?: string; header?: z.ZodObject }>> = {
  idempotent: { says: "A repeat is safe." },
  attempt: { says: "A repeat with the same `agentId` and `attempt` is safe." },
  messageId: { says: "A repeat with the same `messageId` or Idempotency-Key is safe.", header: SENDING },
  messageIds: { says: "A repeat with the same `messageId`s or Idempotency-Key is safe.", header: SENDING },
  taskId: { says: "A repeat with the same `taskId` or Idempotency-Key is safe.", header: SENDING },
  workflowId: { says: "A repeat with the same `workflowId` or Idempotency-Key is safe.", header: SENDING },
  claimId: { says: "A repeat with the same `claimId` is safe: it returns what that id leased before." },
  idempotencyKey: { says: "A repeat with the same Idempotency-Key is safe.", header: KEYED },
  unsafe: { says: "A repeat is not safe: it does more than the first call." },
  unneeded: {},
};

/** The path of a route relative to the document's server. */
function pathOf(route: Route): string {
  return route.path.slice(BASE_PATH.length);
}

function descriptionOf(route: Route): string {
  const { says } = REPEAT_FACTS[route.repeat];
  // Of a GET one expects nothing else.
  return says === undefined || route.method === "GET" ? route.description : `${route.description} ${says}`;
}

function operation(route: Route): ZodOpenApiOperationObject {
  const path = objectOrNothing(route.params);
  const query = objectOrNothing(route.query);
  const { header } = REPEAT_FACTS[route.repeat];
  // An absent body is {}, so it is required only where {} would not do.
  const body = route.body && {
    required: !route.body.safeParse({}).success,
    content: { "application/json": { schema: route.body, example: route.example.body } },
  };
  return {
    operationId: route.name,
    summary: route.summary,
    description: descriptionOf(route),
    tags: [pathOf(route).split("/")[1] ?? ""],
    requestParams: { ...(path && { path }), ...(query && { query }), ...(header && { header }) },
    ...(body && { requestBody: body }),
    responses: { ...refusals(route), ...successes(route) },
  };
}

/** The document of `routes`; its paths are relative to the server `/api`. */
export function openApiDocument(routes: readonly Route[]): { openapi: string; paths: Record<string, unknown> } {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = pathOf(route);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  const document = createDocument(
    {
      openapi: "3.1.0",
      info: {
        title: "agent-communication",
        version: VERSION,
        description: "The durable switchboard for fleets of autonomous agents: registry, messages, tasks.",
      },
      servers: [{ url: BASE_PATH }],
      paths,
      components: {
        schemas: {
          Agent: agentSchema,
          Message: messageSchema,
          LeasedMessage: leasedMessageSchema,
          SendMessage: sendMessageSchema,
          Task: taskSchema,
          AssignTask: assignTaskSchema,
          Explanation: explanationSchema,
          Assignment: assignmentSchema,
          Credential: credentialSchema,
          Problem: problemSchema,
          ...SWITCHBOARD_PAYLOADS,
        },
        responses: {
          Problem: {
            description: "The request is refused; `code` says why",
            content: { "application/problem+json": { schema: problemSchema } },
          },
        },
      },
    },
    // Payloads, parameters and results are any JSON.
    { allowEmptySchema: { custom: true } },
  );
  return withoutJsonRecursion({ ...document, paths: document.paths ?? {} });
}

/** zod spells "any JSON" as a recursive schema per use, generated under this name; OpenAPI's word for it is {}. */
const GENERATED = /^__schema\d+$/;

function withoutJsonRecursion<Document>(document: Document): Document {
  const simplify = (key: string, value: unknown): unknown => {
    if (GENERATED.test(key)) return undefined;
    if (typeof value !== "object" || value === null || !("$ref" in value)) return value;
    const target = String(value.$ref).split("/").at(-1) ?? "";
    return GENERATED.test(target) ? {} : value;
  };
  return JSON.parse(JSON.stringify(document), simplify);
}
