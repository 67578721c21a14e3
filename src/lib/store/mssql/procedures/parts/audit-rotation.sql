-- One entry for all values that were encrypted anew.
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'encryption.rotated', 'encryption_key', @keyVersion,
  CONCAT('{"kind":"' + $(kind) + '"', ',"count":' + CAST(@chosenRows AS varchar(20)), '}');
