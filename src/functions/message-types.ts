import { defineRoute } from "../lib/http/route.ts";
import { ADMIN_ONLY, EVERYBODY } from "./allowed-callers.ts";
import { MESSAGE_TYPE } from "./examples.ts";

export const putMessageType = defineRoute({
  key: "PUT /message-types/{type}",
  name: "putMessageType",
  summary: "Registers a custom message type, or replaces its schema",
  description:
    "Payloads of the type then have to satisfy the JSON Schema (2020-12). Messages that were sent before are not checked.",
  example: { body: { schema: MESSAGE_TYPE.schema }, reply: MESSAGE_TYPE },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200, 201],
  async handler(services, { params, body }) {
    const { definition, created } = await services.messageTypes.put(params.type, body);
    return { status: created ? 201 : 200, body: definition };
  },
});

export const listMessageTypes = defineRoute({
  key: "GET /message-types",
  name: "listMessageTypes",
  summary: "Lists the registered message types, ordered by name",
  description: "Built-in types have no schema and are not listed.",
  example: { reply: { messageTypes: [MESSAGE_TYPE], nextCursor: null } },
  idle: false,
  allow: EVERYBODY,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.messageTypes.list(query) };
  },
});

export const getMessageType = defineRoute({
  key: "GET /message-types/{type}",
  name: "getMessageType",
  summary: "Reads a registered message type",
  description: "With its JSON Schema.",
  example: { reply: MESSAGE_TYPE },
  idle: false,
  allow: EVERYBODY,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.messageTypes.get(params.type) };
  },
});

export const deleteMessageType = defineRoute({
  key: "DELETE /message-types/{type}",
  name: "deleteMessageType",
  summary: "Deletes a message type",
  description: "Payloads of the type are no longer checked. Its messages stay as they are.",
  example: { reply: { type: MESSAGE_TYPE.type } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { params }) {
    await services.messageTypes.delete(params.type);
    return { status: 200, body: { type: params.type } };
  },
});
