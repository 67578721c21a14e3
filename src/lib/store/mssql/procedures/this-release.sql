-- Says which release stands in this schema. A process calls it in each schema when it connects, and keeps to the one whose
-- hash is its own.
CREATE PROCEDURE release.this_release
AS
SET NOCOUNT ON;
SELECT '$(slot)' AS slot, '$(hash)' AS hash;
