-- Adds what @keys says to its ordering keys; makes those that are not there. Who has made one meanwhile wins the race.
UPDATE k SET unsettled = k.unsettled + a.added
FROM @keys AS a JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
OPTION (LOOP JOIN, FORCE ORDER);
SET @joinedRows = @@ROWCOUNT;
INSERT INTO dbo.ordering_keys (receiver_no, ordering_key, unsettled)
SELECT a.receiver_no, a.ordering_key, a.added FROM @keys AS a
LEFT JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
WHERE k.receiver_no IS NULL
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @keyRows - @joinedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
