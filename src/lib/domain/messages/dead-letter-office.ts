import type { z } from "zod";
import { listDeadLettersQuerySchema, type Message, selectDeadLettersSchema } from "../../model/message.ts";
import { parse } from "../../model/parse.ts";
import type { ContentEncryption } from "../../security/content-encryption.ts";
import type { Store } from "../../store/store.ts";
import { MessageContents } from "./message-contents.ts";

/** What could not be delivered: look at it, send it again, or throw it away. */
export class DeadLetterOffice {
  readonly #store: Store;
  readonly #contents: MessageContents;

  constructor(options: { store: Store; encryption?: ContentEncryption }) {
    this.#store = options.store;
    this.#contents = new MessageContents(options);
  }

  /** Newest first. @throws KEY_UNAVAILABLE */
  async list(
    query: z.input<typeof listDeadLettersQuerySchema> = {},
  ): Promise<{ messages: Message[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listDeadLetters(parse(listDeadLettersQuerySchema, query));
    return { messages: await this.#contents.revealAll(items), nextCursor };
  }

  /** Queues up to 1,000 again, oldest first. Those of deregistered agents stay. */
  async redrive(input: z.input<typeof selectDeadLettersSchema>): Promise<{ count: number }> {
    return { count: await this.#store.redriveDeadLetters(parse(selectDeadLettersSchema, input)) };
  }

  /** Deletes up to 1,000, oldest first. */
  async purge(input: z.input<typeof selectDeadLettersSchema>): Promise<{ count: number }> {
    return { count: await this.#store.purgeDeadLetters(parse(selectDeadLettersSchema, input)) };
  }
}
