/** What an engine said of one executed statement, in words that do not depend on the engine. */
export interface StatementPlan {
  /** The statement, as the engine shortens it. */
  text: string;
  operators: Operator[];
}

export interface Operator {
  /** As the engine calls it: "Index Seek", "Seq Scan". */
  name: string;
  /** scan: reads a table or an index from one end, without a key to start at. */
  kind: "scan" | "seek" | "sort" | "other";
  /** The table without its schema; "@…" for a table variable; undefined where it reads none. */
  table: string | undefined;
  index: string | undefined;
  /** Rows that it read or, of a sort, sorted; also those that a filter then dropped. */
  rows: number;
  /** Pages that it looked at, wherever they were; 0 where the engine does not tell. */
  reads: number;
  /** False in a branch that was planned but not run. */
  ran: boolean;
}
