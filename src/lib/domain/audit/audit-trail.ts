import type { z } from "zod";
import {
  type AuditBlock,
  type AuditBlockContents,
  type AuditDigestReply,
  type AuditEntry,
  listAuditBlocksQuerySchema,
  listAuditQuerySchema,
} from "../../model/audit.ts";
import { parse } from "../../model/parse.ts";
import { NO_PREVIOUS_HASH } from "../../security/audit-chain.ts";
import type { Store } from "../../store/store.ts";

/** What was done, by whom: for those who look, and for those who verify. */
export class AuditTrail {
  readonly #store: Store;
  readonly #retentionDays: number;

  constructor(options: { store: Store; retentionDays: number }) {
    this.#store = options.store;
    this.#retentionDays = options.retentionDays;
  }

  /** Newest first. A page may hold fewer entries than its limit, or none, and not be the last. */
  async list(
    query: z.input<typeof listAuditQuerySchema> = {},
  ): Promise<{ entries: AuditEntry[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listAudit(parse(listAuditQuerySchema, query));
    return { entries: items, nextCursor };
  }

  /** Oldest first. */
  async blocks(
    query: z.input<typeof listAuditBlocksQuerySchema> = {},
  ): Promise<{ blocks: AuditBlock[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listAuditBlocks(parse(listAuditBlocksQuerySchema, query));
    return { blocks: items, nextCursor };
  }

  /** With its entries as they are now. @throws NOT_FOUND */
  block(blockNo: number): Promise<AuditBlockContents> {
    return this.#store.getAuditBlock(blockNo);
  }

  /** What to keep elsewhere: the newest block, whose hash covers all that was sealed before; and what a verifier has to know. */
  async digest(): Promise<AuditDigestReply> {
    // In this order: what is sealed in between is counted as not sealed, never the other way round.
    const unsealed = await this.#store.unsealedAudit();
    const block = await this.#store.newestAuditBlock();
    const known = { at: new Date(this.#store.now()).toISOString(), retentionDays: this.#retentionDays, unsealed };
    if (block === undefined) return { blockNo: 0, lastEntryNo: 0, hash: NO_PREVIOUS_HASH, ...known };
    const { blockNo, lastEntryNo, hash, sealedAt } = block;
    return { blockNo, lastEntryNo, hash, sealedAt, ...known };
  }
}
