-- The values that are to be replaced and are still the same. The text that is given comes in the letters of the call.
DECLARE @chosen TABLE (position int NOT NULL PRIMARY KEY, place $(placeType) NOT NULL);
DECLARE @chosenRows int, @keyVersion varchar(64) = JSON_VALUE(@items, '$[0].keyVersion'),
  @actor varchar(128) = JSON_VALUE(@items, '$[0].actor');
DECLARE @rows TABLE (position int NOT NULL PRIMARY KEY, [id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, [version] varchar(64) COLLATE Latin1_General_100_BIN2, [was] nvarchar(max) NULL, [text] nvarchar(max) NULL);
INSERT INTO @rows (position, [id], [version])
SELECT r.position, r.[id], r.[version]
FROM OPENJSON(@items, '$[0].rows') WITH (position int, [id] varchar(128), [version] varchar(64)) AS r;
UPDATE r SET [was] = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(t.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM OPENJSON(@items, '$[0].rows_was') AS t JOIN @rows AS r ON r.position = CAST(t.[key] AS int)
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE r SET [text] = $(given)
FROM OPENJSON(@items, '$[0].rows_text') AS t JOIN @rows AS r ON r.position = CAST(t.[key] AS int)
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @chosen (position, place)
SELECT r.position, $(place)
FROM @rows AS r JOIN $(found)
WHERE $(version) = r.version AND LEFT($(text), 512 /* COMPARED_CHARACTERS */) COLLATE Latin1_General_100_BIN2 = r.was
OPTION (LOOP JOIN, FORCE ORDER);
SET @chosenRows = @@ROWCOUNT;
