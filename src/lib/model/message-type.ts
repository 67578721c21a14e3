import { z } from "zod";
import { MESSAGE_SCHEMA_MAX_BYTES } from "./limits.ts";
import {
  BUILT_IN_MESSAGE_TYPES,
  isSwitchboardMessageType,
  type MessageTypeDefinition,
  messageTypeDefinitionSchema,
  messageTypeSchema,
} from "./message.ts";
import { jsonSchema, nextCursorSchema, pageQueryShape } from "./values.ts";

/** The vocabulary of custom message types: a name and the JSON Schema that its payloads must satisfy. */

const builtIn: ReadonlySet<string> = new Set(BUILT_IN_MESSAGE_TYPES);

/** True for the types that the switchboard itself knows. */
export function isBuiltInMessageType(type: string): boolean {
  return builtIn.has(type);
}

/**
 * A type that may be registered: neither a built-in one nor one that only the switchboard writes. A schema of yours must not be
 * able to refuse what the switchboard writes.
 */
export const customMessageTypeSchema = messageTypeSchema
  .refine((type) => !isBuiltInMessageType(type), "is built in; only custom types can have a schema")
  .refine(
    (type) => !isSwitchboardMessageType(type),
    "is reserved for the switchboard; only custom types can have a schema",
  );

/** `PUT /message-types/{type}`: a JSON Schema 2020-12 of at most 64 KiB, without references to other documents. */
export const putMessageTypeSchema = z.strictObject({
  schema: jsonSchema(MESSAGE_SCHEMA_MAX_BYTES).refine(
    (schema): schema is MessageTypeDefinition["schema"] =>
      typeof schema === "boolean" || (typeof schema === "object" && schema !== null && !Array.isArray(schema)),
    "must be an object or a boolean",
  ),
});
export type PutMessageTypeInput = z.input<typeof putMessageTypeSchema>;
export type PutMessageType = z.output<typeof putMessageTypeSchema>;

export const listMessageTypesQuerySchema = z.strictObject({ ...pageQueryShape });
export const listMessageTypesReplySchema = z.object({
  messageTypes: z.array(messageTypeDefinitionSchema),
  nextCursor: nextCursorSchema,
});

/** What a deletion answers: the type that is no longer registered. */
export const deleteMessageTypeReplySchema = z.object({ type: messageTypeSchema });
