import type { MessageTypeDefinition } from "../../model/message.ts";
import type { MessageTypeEngine } from "../message-type-verbs.ts";
import { readType, type TypeChange, type TypeRow } from "../rules/message-types.ts";
import { bigint, int, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { procedure } from "./procedures.ts";

/** How long a process may go on using what it read of a type: every send of a custom type asks. */
const CACHED_MILLISECONDS = 5_000;
/** Types kept at most; senders name them, so there is no other bound. */
const CACHED_TYPES_MAX = 1_000;

const FIND = procedure("find_message_type");
const LIST = procedure("list_message_types");
const WRITE = procedure("write_message_type");

const TYPES: Subject<string, TypeRow | undefined, TypeChange> = {
  name: "message-types",
  read: procedure("read_message_type"),
  ask: (type) => ({ type: word(type) }),
  see: (result) => result.rows<TypeRow>(1)[0],
  write: ({ was, row }, type) => ({
    sql: WRITE,
    inputs: {
      type: word(type),
      was: bigint(was?.updated_at ?? null),
      schema: text(row?.schema ?? null),
      updatedAt: bigint(row?.updated_at ?? null),
    },
  }),
  key: (type) => type,
};

/** What the verbs of message types read and write. */
export function messageTypeEngine(connection: Connection): MessageTypeEngine {
  const cache = new Map<string, { readAt: number; definition: MessageTypeDefinition | undefined }>();
  const decide = decideBy(connection, TYPES);
  return {
    decide: (type, rule) => decide(type, rule).finally(() => cache.delete(type)),
    /** As it was at most 5 s ago. */
    async find(type) {
      const now = connection.clock.monotonic();
      const cached = cache.get(type);
      if (cached !== undefined && now - cached.readAt < CACHED_MILLISECONDS) return cached.definition;
      const [row] = (await connection.query(FIND, { type: word(type) })).rows<TypeRow>(0);
      const definition = row && readType(row);
      if (cache.size >= CACHED_TYPES_MAX) cache.clear();
      cache.set(type, { readAt: now, definition });
      return definition;
    },
    async list({ after, rows }, take) {
      const result = await connection.query(LIST, { after: word(after), limit: int(rows) });
      const types = result.rows<TypeRow & { found: number }>(0);
      return take(types, types[0]?.found);
    },
  };
}
