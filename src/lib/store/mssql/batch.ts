import mssql from "mssql";
import type { AgentCommunicationError } from "../../model/errors.ts";
import type { JsonValue } from "../../model/json.ts";
import type { Procedure } from "./procedures.ts";
import type { SqlText } from "./texts.ts";

/** How a verb is written: one procedure, and how calls become its items and its recordsets their answers. */

/** One typed input of a batch: an untyped string would make a plan per length, and an NVARCHAR against a VARCHAR key a scan. */
export interface Input {
  type: mssql.ISqlType | (() => mssql.ISqlType);
  value: unknown;
}
export type Inputs = { [name: string]: Input };

export const bigint = (value: number | null): Input => ({ type: mssql.BigInt, value });
export const int = (value: number | null): Input => ({ type: mssql.Int, value });
export const bit = (value: boolean | null): Input => ({ type: mssql.Bit, value });
export const float = (value: number | null): Input => ({ type: mssql.Float, value });
/** An id, ordering key or claim id. */
export const id = (value: string | null): Input => ({ type: mssql.VarChar(128), value });
/** A state, role, outcome or message type. */
export const word = (value: string | null): Input => ({ type: mssql.VarChar(64), value });
/** What an entry of the audit is about. */
export const subject = (value: string | null): Input => ({ type: mssql.VarChar(160), value });
/** Where a line of a list stands that has several names. */
export const place = (value: string): Input => ({ type: mssql.VarChar(900), value });
/** A hash or hashed key. */
export const hash = (value: string | null): Input => ({ type: mssql.VarChar(64), value });
/** The id of an operation. */
export const operation = (value: string): Input => ({ type: mssql.UniqueIdentifier, value });
/** Text of any length, and JSON. */
export const text = (value: string | null): Input => ({ type: mssql.NVarChar(mssql.MAX), value });

/** A row as it arrives; bigint columns are numbers already. */
export type Row = { [column: string]: unknown };

/** The recordsets of a batch, in order. */
export class BatchResult {
  readonly #recordsets: readonly (readonly Row[])[];

  constructor(recordsets: readonly (readonly Row[])[]) {
    this.#recordsets = recordsets;
  }

  /**
   * The rows of a recordset, [] when the batch did not get that far. The row type is the caller's word for the column list
   * of its constant batch text, as in the embedded store.
   */
  rows<T extends object>(index: number): T[] {
    return [...(this.#recordsets[index] ?? [])] as T[];
  }

  /** The rows of a recordset that belong to each item, by its position. */
  byItem<T extends { item: number }>(index: number): Map<number, T[]> {
    const groups = new Map<number, T[]>();
    for (const row of this.rows<T>(index)) {
      const group = groups.get(row.item);
      if (group === undefined) groups.set(row.item, [row]);
      else group.push(row);
    }
    return groups;
  }
}

/** What every batch says of every item, in its first recordset. */
export interface OutcomeRow {
  item: number;
  /** The error code of a refusal. */
  code: string | null;
  /** What the text of the refusal needs to know. */
  subject: string | null;
}

/** `write`: what is to be written before that is the answer. */
export type Outcome<Answer> =
  | { value: Answer; write?: { sql: Procedure; inputs: Inputs } }
  | { refusal: AgentCommunicationError };

/** One verb: any number of its calls travel in one batch. */
export interface Batch<Item, Answer> {
  /** For traces and errors: "complete-tasks". */
  name: string;
  /** The procedure (a text, where the migrator runs it), or which of two or three these items need: each has its plan. */
  sql: Procedure | SqlText | ((items: readonly Item[]) => Procedure);
  /** What the batch reads of a call from @items, beside `item`, its position. */
  encode(item: Item): { [key: string]: JsonValue };
  /** Inputs beside @items and what the settings give. */
  inputs?: Inputs | ((items: readonly Item[]) => Inputs);
  /** One outcome per item, in order. */
  decode(result: BatchResult, items: readonly Item[]): Outcome<Answer>[];
  /** Calls in one batch at most. */
  maxItems: number;
  /** Calls of the same key never share a batch. */
  conflictKey?(item: Item): string | undefined;
}

/** The outcome rows in the order of the items. @throws Error when the batch said nothing of an item */
export function outcomeRows<T extends OutcomeRow>(result: BatchResult, items: readonly unknown[]): T[] {
  const rows = new Map(result.rows<T>(0).map((row) => [row.item, row]));
  return items.map((_, item) => {
    const row = rows.get(item);
    if (row === undefined) throw new Error(`the batch has no outcome for item ${item}`);
    return row;
  });
}

/** Calls of a look-up in one batch: each is a few seeks. */
const LOOK_UPS_PER_BATCH = 200;

/**
 * A read that gives one value for each call, however many travel together.
 *
 * @param parts.sql gives `item, value` for each of @items; a null value, or no row, is undefined
 * @example
 * const ROLE = lookUp<string, AgentRole>({ name: "role-of", sql: …, encode: (agentId) => ({ agent_id: agentId }) });
 * await connection.run(ROLE, "backend-1");
 */
export function lookUp<Item, Value extends string | number>(
  parts: Pick<Batch<Item, Value | undefined>, "name" | "sql" | "encode">,
): Batch<Item, Value | undefined> {
  return {
    ...parts,
    decode(result, items) {
      const rows = result.rows<{ item: number; value: Value | null }>(0);
      const values = new Map(rows.map(({ item, value }) => [item, value ?? undefined]));
      return items.map((_, item) => ({ value: values.get(item) }));
    },
    maxItems: LOOK_UPS_PER_BATCH,
  };
}
