import type { MessageTypeDefinition } from "../model/message.ts";
import type { Decide } from "./decision.ts";
import { type List, listPage, type TextRange } from "./list-page.ts";
import { decideDelete, decidePut, readType, type TypeChange, type TypeRow } from "./rules/message-types.ts";
import type { Store } from "./store.ts";

/** The verbs of message types, over what an engine reads and writes. */

/** What an engine does for message types. */
export interface MessageTypeEngine {
  decide: Decide<string, TypeRow | undefined, TypeChange>;
  find: Store["findMessageType"];
  /** `found`: how many there are, where some are left out because they are long. */
  list<Answer>(range: TextRange, take: (rows: Iterable<TypeRow>, found?: number) => Answer): Promise<Answer>;
}

const TYPES: List<TypeRow, MessageTypeDefinition> = {
  shape: "text",
  read: readType,
  positionOf: ({ type }) => [type],
};

/** The verbs of the store that are about message types. */
export function messageTypeVerbs(engine: MessageTypeEngine) {
  return {
    putMessageType: (type, schema) => engine.decide(type, (was, deciding) => decidePut(type, schema, was, deciding)),
    findMessageType: engine.find,
    async listMessageTypes(page) {
      const { after, rows, take } = listPage(TYPES, { list: "message-types" }, page);
      return engine.list({ after: String(after?.[0] ?? ""), rows }, take);
    },
    deleteMessageType: (type) => engine.decide(type, (was) => decideDelete(type, was)),
  } satisfies Partial<Store>;
}
