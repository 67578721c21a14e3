import { z } from "zod";
import { AgentCommunicationError } from "../errors.ts";
import { MESSAGE_SCHEMA_MAX_BYTES } from "../limits.ts";
import { parse } from "../parse.ts";
import type { Store } from "../store/store.ts";
import { jsonSchema, pageQueryShape } from "../values.ts";
import { BUILT_IN_MESSAGE_TYPES, type MessageTypeDefinition, messageTypeSchema } from "./message.ts";
import { PayloadSchemas } from "./payload-schemas.ts";

/** `PUT /message-types/{type}`: a JSON Schema 2020-12, an object or a boolean. */
export const putMessageTypeSchema = z.strictObject({
  schema: jsonSchema(MESSAGE_SCHEMA_MAX_BYTES).refine(
    (schema): schema is MessageTypeDefinition["schema"] =>
      typeof schema === "boolean" || (typeof schema === "object" && schema !== null && !Array.isArray(schema)),
    "must be an object or a boolean",
  ),
});

export const listMessageTypesQuerySchema = z.strictObject({ ...pageQueryShape });

/**
 * Custom message types and the schema that their payloads must satisfy. A type without a schema is free. The built-in
 * types are the switchboard's own vocabulary and take none.
 */
export class MessageTypeRegistry {
  readonly #store: Store;
  readonly #schemas: PayloadSchemas;

  constructor(options: { store: Store; schemas?: PayloadSchemas }) {
    this.#store = options.store;
    this.#schemas = options.schemas ?? new PayloadSchemas();
  }

  /** @throws INVALID_REQUEST for a built-in type or a schema that does not compile */
  async put(
    type: string,
    input: z.input<typeof putMessageTypeSchema>,
  ): Promise<{ definition: MessageTypeDefinition; created: boolean }> {
    const name = parse(messageTypeSchema, type, "message type");
    if (BUILT_IN_MESSAGE_TYPES.some((builtIn) => builtIn === name)) {
      throw new AgentCommunicationError("INVALID_REQUEST", `${name} is built in; only custom types take a schema.`);
    }
    const { schema } = parse(putMessageTypeSchema, input);
    this.#schemas.check(schema);
    return this.#store.putMessageType(name, schema);
  }

  /** @throws NOT_FOUND */
  async get(type: string): Promise<MessageTypeDefinition> {
    const definition = await this.#store.findMessageType(parse(messageTypeSchema, type, "message type"));
    if (definition === undefined) throw notRegistered(type);
    return definition;
  }

  /** By name. */
  async list(
    query: z.input<typeof listMessageTypesQuerySchema> = {},
  ): Promise<{ messageTypes: MessageTypeDefinition[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listMessageTypes(parse(listMessageTypesQuerySchema, query));
    return { messageTypes: items, nextCursor };
  }

  /** Messages of the type are free again. @throws NOT_FOUND */
  async delete(type: string): Promise<void> {
    const deleted = await this.#store.deleteMessageType(parse(messageTypeSchema, type, "message type"));
    if (!deleted) throw notRegistered(type);
  }
}

function notRegistered(type: string): AgentCommunicationError {
  return new AgentCommunicationError("NOT_FOUND", `No schema is registered for the type ${type}.`);
}
