import type { z } from "zod";
import { AgentCommunicationError } from "../../model/errors.ts";
import { type MessageTypeDefinition, messageTypeSchema } from "../../model/message.ts";
import {
  customMessageTypeSchema,
  listMessageTypesQuerySchema,
  putMessageTypeSchema,
} from "../../model/message-type.ts";
import { parse } from "../../model/parse.ts";
import type { Store } from "../../store/store.ts";
import { PayloadSchemas } from "./payload-schemas.ts";

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
    const name = parse(customMessageTypeSchema, type, "message type");
    const { schema } = parse(putMessageTypeSchema, input);
    await this.#schemas.check(schema);
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
