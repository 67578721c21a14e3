import { partOfText } from "./procedure-files.ts";
import { COUNTER, HASH } from "./transaction.ts";

/** The parts of procedures that copies use in texts of their own, and what these work with. */

export const PROLOGUE = partOfText("prologue");
export const APPLY_COUNTS = partOfText("apply-counts");
export const CHANGE_LOADS = partOfText("change-loads");
export const INTERN_CAPABILITY_SETS = partOfText("intern-capability-sets");
export const INTERN_DEMANDS = partOfText("intern-demands");

/** For APPLY_COUNTS. */
export const DECLARE_COUNTS = `DECLARE @counts TABLE (name ${COUNTER} NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
`;
/** For CHANGE_LOADS. */
export const DECLARE_LOADS = `DECLARE @loads TABLE (agent_no int NOT NULL PRIMARY KEY, tasks int NOT NULL,
  completed int NOT NULL, failed int NOT NULL, milliseconds bigint NOT NULL);
`;
/** For INTERN_CAPABILITY_SETS. */
export const DECLARE_CAPABILITY_SETS = `DECLARE @sets TABLE (capabilities_hash ${HASH} NOT NULL PRIMARY KEY,
  capabilities nvarchar(max) NOT NULL);
`;
/** For INTERN_DEMANDS. */
export const DECLARE_DEMANDS = `DECLARE @demands TABLE (capabilities_hash ${HASH} NOT NULL PRIMARY KEY,
  capabilities nvarchar(max) NOT NULL);
`;
