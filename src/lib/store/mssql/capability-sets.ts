import { canonicalCapabilities, capabilitiesHash } from "../capabilities.ts";
import { BIN2, BY_KEY, HASH, ID, LOSE_RACE, raceUnless } from "./transaction.ts";

/**
 * Capability sets of agents and demands of tasks, interned, with a table of which set meets which demand. New pairs are
 * worked out once, when a set or a demand is seen for the first time.
 *
 * A set and a demand made by two sessions at once would each miss the other: neither is committed when the other looks. So
 * whoever makes one holds the application lock "capabilities" until the commit and looks after taking it. Known sets and
 * demands, that is nearly every call, take no lock.
 */

/** A set or demand inside an item: its number is found by the hash; the capabilities, sorted, are an array. */
export function encodeCapabilities(capabilities: readonly string[]): {
  capabilitiesHash: string;
  capabilities: string[];
} {
  return { capabilitiesHash: capabilitiesHash(capabilities), capabilities: canonicalCapabilities(capabilities) };
}

/** One maker at a time, to the end of the transaction. */
const TAKE_LOCK = `EXEC @capabilityLock = sp_getapplock @Resource = N'capabilities', @LockMode = N'Exclusive',
    @LockOwner = N'Transaction', @LockTimeout = 5000;
`;
const LOCK_CAPABILITIES = `${TAKE_LOCK}  IF @capabilityLock < 0
${LOSE_RACE}`;

/** Sets that the agents of a batch have. */
export const DECLARE_CAPABILITY_SETS = `DECLARE @sets TABLE (capabilities_hash ${HASH} NOT NULL PRIMARY KEY,
  capabilities nvarchar(max) NOT NULL);
`;

/**
 * Makes the sets of @sets that are new, and matches them, and those that all agents had left, with every demand. In a transaction of its own, outside that of the
 * verb and after its refusals: a set that nobody has in the end is dropped by maintenance. Then read `set_no` by
 * `capabilities_hash` (a set dropped in between violates the agent's foreign key: a lost race).
 */
export const INTERN_CAPABILITY_SETS = `IF EXISTS (SELECT 1 FROM @sets AS s WHERE NOT EXISTS (
  SELECT 1 FROM dbo.capability_sets AS c WHERE c.capabilities_hash = s.capabilities_hash AND c.paired = 1))
BEGIN
  DECLARE @capabilityLock int;
  DECLARE @newSets TABLE (set_no int NOT NULL PRIMARY KEY, capabilities_hash ${HASH} NOT NULL);
  DECLARE @pairing TABLE (set_no int NOT NULL PRIMARY KEY);
  BEGIN TRANSACTION;
  ${LOCK_CAPABILITIES}
  INSERT INTO dbo.capability_sets (capabilities_hash, capabilities)
  OUTPUT inserted.set_no, inserted.capabilities_hash INTO @newSets (set_no, capabilities_hash)
  SELECT s.capabilities_hash, s.capabilities FROM @sets AS s
  WHERE NOT EXISTS (SELECT 1 FROM dbo.capability_sets AS c WHERE c.capabilities_hash = s.capabilities_hash);
  INSERT INTO dbo.set_capabilities (capability, set_no)
  SELECT DISTINCT a.capability, n.set_no
  FROM @newSets AS n JOIN @sets AS s ON s.capabilities_hash = n.capabilities_hash
  CROSS APPLY OPENJSON(s.capabilities) WITH (capability varchar(128) '$') AS j
  -- As expandCapabilities(): name@version answers to name, too.
  CROSS APPLY (SELECT j.capability ${BIN2} AS capability UNION ALL
    SELECT LEFT(j.capability, NULLIF(CHARINDEX('@', j.capability), 0) - 1) ${BIN2}
    WHERE CHARINDEX('@', j.capability) > 1) AS a;
  INSERT INTO @pairing (set_no)
  SELECT c.set_no FROM @sets AS s JOIN dbo.capability_sets AS c ON c.capabilities_hash = s.capabilities_hash WHERE c.paired = 0;
  UPDATE c SET paired = 1 FROM @pairing AS n JOIN dbo.capability_sets AS c ON c.set_no = n.set_no
  ${BY_KEY};
  INSERT INTO @pairing (set_no) SELECT n.set_no FROM @newSets AS n;
  -- Every demand whose capabilities are all among the set's; the empty demand always is.
  INSERT INTO dbo.demand_sets (demand_no, set_no)
  SELECT d.demand_no, n.set_no FROM @pairing AS n CROSS JOIN dbo.demands AS d
  WHERE NOT EXISTS (
    SELECT 1 FROM OPENJSON(d.capabilities) WITH (capability varchar(128) '$') AS j
    WHERE NOT EXISTS (SELECT 1 FROM dbo.set_capabilities AS h
      WHERE h.set_no = n.set_no AND h.capability = j.capability ${BIN2}));
  INSERT INTO dbo.counters (name, slot)
  SELECT CONCAT('set:', n.set_no, k.kind), s.slot
  FROM @newSets AS n CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
  CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
  COMMIT TRANSACTION;
END;
`;

/** Sets that agents of the batch come into. */
export const DECLARE_ENTERING = "DECLARE @entering TABLE (set_no int NOT NULL PRIMARY KEY);\n";

/**
 * First thing in a transaction that brings agents into the sets of @entering: loses the race when all others have left such a set
 * since it was read, for then it is matched with no demand.
 */
export const ENTER_SETS = `UPDATE c SET entries = c.entries + 1
FROM @entering AS e JOIN dbo.capability_sets AS c ON c.set_no = e.set_no
WHERE c.paired = 1
${BY_KEY};
${raceUnless("(SELECT COUNT(*) FROM @entering)")}`;

/**
 * Sets that the agents of @status_changes have left, by deregistering or for another set, cost assignments nothing once no
 * agent is left in them; a set that not even a deregistered agent has is dropped. After the COMMIT, in a transaction of its own.
 * A row is written before its agents are looked at: so whoever comes in has either committed by then, and is seen, or finds
 * the set as it is then. Not done (another one holds the lock for too long), a set only costs a look.
 */
export const LEAVE_SETS = `IF EXISTS (SELECT 1 FROM @status_changes AS s WHERE (s.status = 'deregistered' OR s.set_no <> s.was_set_no)
  AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = s.was_set_no AND a.status <> 'deregistered'))
BEGIN
  DECLARE @idle TABLE (set_no int NOT NULL PRIMARY KEY, taken bit NOT NULL);
  DECLARE @idlePairs TABLE (demand_no int NOT NULL, set_no int NOT NULL, PRIMARY KEY (demand_no, set_no));
  DECLARE @idleLock int;
  INSERT INTO @idle (set_no, taken)
  SELECT DISTINCT s.was_set_no, 0 FROM @status_changes AS s WHERE (s.status = 'deregistered' OR s.set_no <> s.was_set_no)
    AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = s.was_set_no AND a.status <> 'deregistered');
  BEGIN TRANSACTION;
  ${TAKE_LOCK.replaceAll("@capabilityLock", "@idleLock")}  IF @idleLock >= 0
  BEGIN
    UPDATE c SET paired = 0, entries = c.entries + 1 FROM @idle AS i JOIN dbo.capability_sets AS c ON c.set_no = i.set_no
    ${BY_KEY};
    UPDATE i SET taken = 1 FROM @idle AS i
    WHERE EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = i.set_no AND a.status <> 'deregistered');
    UPDATE c SET paired = 1 FROM @idle AS i JOIN dbo.capability_sets AS c ON c.set_no = i.set_no WHERE i.taken = 1
    ${BY_KEY};
    INSERT INTO @idlePairs (demand_no, set_no)
    SELECT d.demand_no, d.set_no FROM @idle AS i JOIN dbo.demand_sets AS d ON d.set_no = i.set_no WHERE i.taken = 0;
    DELETE d FROM @idlePairs AS p JOIN dbo.demand_sets AS d ON d.demand_no = p.demand_no AND d.set_no = p.set_no
    ${BY_KEY};
    DELETE i FROM @idle AS i WHERE i.taken = 1 OR EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = i.set_no);
    DELETE c FROM @idle AS i JOIN dbo.capability_sets AS c ON c.set_no = i.set_no
    ${BY_KEY};
    DELETE c FROM @idle AS i CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
    JOIN dbo.counters AS c ON c.name = CONCAT('set:', i.set_no, k.kind)
    ${BY_KEY};
  END;
  COMMIT TRANSACTION;
END;
`;

/** Demands that the tasks of a batch make. */
export const DECLARE_DEMANDS = `DECLARE @demands TABLE (capabilities_hash ${HASH} NOT NULL PRIMARY KEY,
  capabilities nvarchar(max) NOT NULL);
`;

/**
 * Makes the demands of @demands that are new, and matches them with every set: those that have as many of its capabilities
 * as it names. As INTERN_CAPABILITY_SETS: a transaction of its own, after the refusals; then read `demand_no` by hash.
 */
export const INTERN_DEMANDS = `IF EXISTS (SELECT 1 FROM @demands AS n WHERE NOT EXISTS (
  SELECT 1 FROM dbo.demands AS d WHERE d.capabilities_hash = n.capabilities_hash))
BEGIN
  DECLARE @capabilityLock int;
  DECLARE @newDemands TABLE (demand_no int NOT NULL PRIMARY KEY, capabilities nvarchar(max) NOT NULL);
  DECLARE @needed TABLE (demand_no int NOT NULL, capability ${ID} NOT NULL, PRIMARY KEY (demand_no, capability));
  BEGIN TRANSACTION;
  ${LOCK_CAPABILITIES}
  INSERT INTO dbo.demands (capabilities_hash, capabilities)
  OUTPUT inserted.demand_no, inserted.capabilities INTO @newDemands (demand_no, capabilities)
  SELECT n.capabilities_hash, n.capabilities FROM @demands AS n
  WHERE NOT EXISTS (SELECT 1 FROM dbo.demands AS d WHERE d.capabilities_hash = n.capabilities_hash);
  INSERT INTO @needed (demand_no, capability)
  SELECT n.demand_no, j.capability
  FROM @newDemands AS n CROSS APPLY OPENJSON(n.capabilities) WITH (capability varchar(128) '$') AS j;
  INSERT INTO dbo.demand_sets (demand_no, set_no)
  SELECT x.demand_no, h.set_no
  FROM @needed AS x JOIN dbo.set_capabilities AS h ON h.capability = x.capability
  JOIN dbo.capability_sets AS c ON c.set_no = h.set_no AND c.paired = 1
  GROUP BY x.demand_no, h.set_no
  HAVING COUNT(*) = (SELECT COUNT(*) FROM @needed AS y WHERE y.demand_no = x.demand_no);
  INSERT INTO dbo.demand_sets (demand_no, set_no)
  SELECT n.demand_no, c.set_no FROM @newDemands AS n CROSS JOIN dbo.capability_sets AS c
  WHERE c.paired = 1 AND NOT EXISTS (SELECT 1 FROM @needed AS x WHERE x.demand_no = n.demand_no);
  COMMIT TRANSACTION;
END;
`;

/**
 * Sets that meet a demand which need not be interned, for previews: a SELECT of `set_no`.
 *
 * @param needed a table variable with a keyed column `capability` (ID); empty: every set
 */
export function setsThatMeet(needed: string): string {
  return `SELECT h.set_no FROM ${needed} AS x JOIN dbo.set_capabilities AS h ON h.capability = x.capability
GROUP BY h.set_no HAVING COUNT(*) = (SELECT COUNT(*) FROM ${needed})
UNION ALL
SELECT c.set_no FROM dbo.capability_sets AS c WHERE NOT EXISTS (SELECT 1 FROM ${needed})`;
}
