-- One of the values of a call, from n, an object of name, value and key_version. (Read from the default columns of OPENJSON: a WITH clause
-- may cut long values at 4,000 characters.)
(SELECT MAX(CASE WHEN f.[key] = 'name' THEN f.[value] END) AS name,
  MAX(CASE WHEN f.[key] = 'value' THEN REPLACE(REPLACE(f.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)) END) AS value,
  MAX(CASE WHEN f.[key] = 'key_version' THEN f.[value] END) AS key_version FROM OPENJSON(n.[value]) AS f)
