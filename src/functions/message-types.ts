import { z } from "zod";
import { defineRoute } from "../lib/http/route.ts";
import { messageTypeDefinitionSchema, messageTypeSchema } from "../lib/messages/message.ts";
import {
  customMessageTypeSchema,
  deleteMessageTypeReplySchema,
  listMessageTypesQuerySchema,
  listMessageTypesReplySchema,
  putMessageTypeSchema,
} from "../lib/messages/message-type.ts";
import { ADMIN_ONLY, EVERYBODY } from "./shapes.ts";

const typeParams = z.strictObject({ type: messageTypeSchema });

export const putMessageType = defineRoute({
  key: "PUT /message-types/{type}",
  name: "putMessageType",
  summary: "Registers a custom type with the JSON Schema that its payloads must satisfy, or replaces the schema",
  allow: ADMIN_ONLY,
  params: z.strictObject({ type: customMessageTypeSchema }),
  query: undefined,
  body: putMessageTypeSchema,
  reply: messageTypeDefinitionSchema,
  statuses: [200, 201],
  async handler(services, { params, body }) {
    const { definition, created } = await services.messageTypes.put(params.type, body);
    return { status: created ? 201 : 200, body: definition };
  },
});

export const listMessageTypes = defineRoute({
  key: "GET /message-types",
  name: "listMessageTypes",
  summary: "Lists the registered types by name",
  allow: EVERYBODY,
  params: undefined,
  query: listMessageTypesQuerySchema,
  body: undefined,
  reply: listMessageTypesReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.messageTypes.list(query) };
  },
});

export const getMessageType = defineRoute({
  key: "GET /message-types/{type}",
  name: "getMessageType",
  summary: "Reads one registered type",
  allow: EVERYBODY,
  params: typeParams,
  query: undefined,
  body: undefined,
  reply: messageTypeDefinitionSchema,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.messageTypes.get(params.type) };
  },
});

export const deleteMessageType = defineRoute({
  key: "DELETE /message-types/{type}",
  name: "deleteMessageType",
  summary: "Forgets a registered type; its messages stay as they are",
  allow: ADMIN_ONLY,
  params: typeParams,
  query: undefined,
  body: undefined,
  reply: deleteMessageTypeReplySchema,
  statuses: [200],
  async handler(services, { params }) {
    await services.messageTypes.delete(params.type);
    return { status: 200, body: { type: params.type } };
  },
});
