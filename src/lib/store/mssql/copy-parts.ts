import { partOfText } from "./procedure-files.ts";
import { COUNTER, HASH } from "./transaction.ts";

/** The parts of procedures that copies use in texts of their own, and what these work with. */

export const PROLOGUE = partOfText("prologue");
export const APPLY_COUNTS = partOfText("apply-counts");
export const INTERN_CAPABILITY_SETS = partOfText("intern-capability-sets");
export const INTERN_DEMANDS = partOfText("intern-demands");

/** For APPLY_COUNTS. */
export const DECLARE_COUNTS = `DECLARE @counts TABLE (name ${COUNTER} NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
`;
/** Adds @loads to the loads of agents, and counts what that makes of their sets. */
export const CHANGE_LOADS = `IF EXISTS (SELECT 1 FROM @loads)
BEGIN
  UPDATE l SET active_tasks = l.active_tasks + d.tasks, completed = l.completed + d.completed, failed = l.failed + d.failed,
    completed_milliseconds = l.completed_milliseconds + d.milliseconds
  FROM @loads AS d JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
  WHERE l.active_tasks + d.tasks >= 0
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @loads) BEGIN ROLLBACK TRANSACTION; SELECT 1 AS lost_race; RETURN; END;
  INSERT INTO @counts (name, delta)
  SELECT CONCAT('set:', l.set_no, ':free'), CASE WHEN l.assignable = 1 THEN 1 ELSE -1 END
  FROM @loads AS d JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
  WHERE l.working = 1
    AND l.assignable <> CASE WHEN l.active_tasks - d.tasks < l.max_concurrent_tasks THEN 1 ELSE 0 END;
  DELETE FROM @loads;
END;
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
