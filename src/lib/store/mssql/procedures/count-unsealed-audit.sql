-- How many entries of the audit are in no block yet.
CREATE PROCEDURE release.count_unsealed_audit
AS
DECLARE @floor bigint = COALESCE((SELECT TOP (1) b.floor_no FROM audit.blocks AS b ORDER BY b.block_no DESC), -9007199254740991);
DECLARE @open TABLE (entry_no bigint NOT NULL PRIMARY KEY, at bigint NOT NULL);
INSERT INTO @open (entry_no, at)
SELECT TOP (10000 /* AUDIT_UNSEALED_MAX */) e.entry_no, e.at FROM audit.entries AS e
WHERE e.entry_no > @floor AND NOT EXISTS (SELECT 1 FROM audit.block_entries AS m WHERE m.entry_no = e.entry_no) ORDER BY e.entry_no;
SELECT COUNT(*) AS [count], (SELECT TOP (1) o.at FROM @open AS o ORDER BY o.entry_no) AS oldest_at FROM @open;
