SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- 1: the set is matched with demands (demand_sets). 0: all its agents have left, and an assignment need not look at it.
ALTER TABLE dbo.capability_sets ADD paired bit NOT NULL CONSTRAINT capability_sets_paired DEFAULT 1;
-- Agents that have come into the set so far. Registering into a set writes here, so that it and the leaving of the last one
-- wait for each other.
ALTER TABLE dbo.capability_sets ADD entries bigint NOT NULL CONSTRAINT capability_sets_entries DEFAULT 0;
GO
UPDATE c SET paired = 0 FROM dbo.capability_sets AS c
WHERE NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = c.set_no AND a.status <> 'deregistered');
DELETE d FROM dbo.demand_sets AS d JOIN dbo.capability_sets AS c ON c.set_no = d.set_no WHERE c.paired = 0;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (11, '0011_empty_sets.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
