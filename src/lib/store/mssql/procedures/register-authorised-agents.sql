-- The same with authorities to be looked at. Who repeats an enrolment has not had the answer to the first one: it
-- reads as that did.
CREATE PROCEDURE release.register_authorised_agents
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-counts.sql
-- include: parts/declare-hand-out.sql
-- include: parts/declare-status-changes.sql
DECLARE @entering TABLE (set_no int NOT NULL PRIMARY KEY);
DECLARE @registering TABLE (agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, item int NOT NULL, role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, max_concurrent_tasks int NOT NULL, heartbeat_timeout_seconds int NULL,
  operation_id uniqueidentifier NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, set_no int NULL, agent_no int NULL, is_new bit NOT NULL DEFAULT 0,
  created bit NOT NULL DEFAULT 0);
-- Registrations with an authority, the agent and the enrolment key that they find, and the token that came with the
-- same key and Idempotency-Key before. done: by an earlier try of this very call. takes: a use of the key, for a new
-- token.
DECLARE @authorities TABLE (item int NOT NULL PRIMARY KEY, kind varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, agent_no int NULL, was_role varchar(24) COLLATE Latin1_General_100_BIN2 NULL, was_status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, key_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, token_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  secret_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL, request varchar(64) COLLATE Latin1_General_100_BIN2 NULL, key_no int NULL, uses_left int NULL, token_days int NULL,
  gives_role bit NOT NULL DEFAULT 0, gives_id bit NOT NULL DEFAULT 0, replaced_no int NULL, replaced_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  replaced_agent_no int NULL, untouched bit NOT NULL DEFAULT 0, done bit NOT NULL DEFAULT 0, takes bit NOT NULL DEFAULT 0,
  label nvarchar(128) NULL, expires_in bigint NULL, again bit NULL, issuer varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  refusal varchar(24) COLLATE Latin1_General_100_BIN2 NULL);
INSERT INTO @registering (agent_id, item, role, capabilities_hash, max_concurrent_tasks, heartbeat_timeout_seconds, operation_id, actor, set_no)
SELECT j.agent_id, j.item, j.role, j.capabilities_hash, j.max_concurrent_tasks, j.heartbeat_timeout_seconds, j.operation_id, j.actor, c.set_no
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', role varchar(24) '$.role',
  capabilities_hash varchar(43) '$.capabilitiesHash', max_concurrent_tasks int '$.maxConcurrentTasks',
  heartbeat_timeout_seconds int '$.heartbeatTimeoutSeconds',
  operation_id uniqueidentifier '$.operationId', actor varchar(128)) AS j
LEFT JOIN dbo.capability_sets AS c ON c.capabilities_hash = j.capabilities_hash COLLATE Latin1_General_100_BIN2 AND c.paired = 1;
-- Takes out of @registering what is refused; the refusal stays in @authorities. Before anything is written,
-- capability sets included.
INSERT INTO @authorities (item, kind, agent_id, role, agent_no, was_role, was_status, key_id, token_id, secret_hash,
  request, label, expires_in, again, issuer)
SELECT j.item, j.kind, j.agent_id, j.role, a.agent_no, a.role, a.status, j.key_id, j.token_id, j.secret_hash, j.request,
  REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(j.label COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), j.expires_in, j.again, j.issuer
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', role varchar(24) '$.role', kind varchar(24) '$.authority.kind',
  key_id varchar(36) '$.authority.keyId', token_id varchar(36) '$.authority.tokenId', secret_hash varchar(43) '$.authority.secretHash',
  request varchar(64) '$.authority.request', label nvarchar(128) '$.authority.label', expires_in bigint '$.authority.expiresIn',
  again bit '$.authority.again', issuer varchar(128) '$.authority.issuer') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2
WHERE j.kind IS NOT NULL;
UPDATE x SET key_no = k.credential_no, uses_left = k.uses_left, token_days = k.token_days,
  gives_role = CASE WHEN EXISTS (SELECT 1 FROM OPENJSON(k.roles) AS r WHERE CAST(r.value AS varchar(24)) COLLATE Latin1_General_100_BIN2 = x.role) THEN 1 ELSE 0 END,
  gives_id = CASE WHEN LEFT(x.agent_id, LEN(k.agent_id_prefix)) = k.agent_id_prefix THEN 1 ELSE 0 END
FROM @authorities AS x JOIN dbo.credentials AS k ON k.credential_id = x.key_id
WHERE k.kind = 'enrolment' AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @now);
UPDATE x SET replaced_no = t.credential_no, replaced_id = t.credential_id, replaced_agent_no = t.agent_no,
  untouched = CASE WHEN t.last_used_at IS NULL AND t.revoked_at IS NULL THEN 1 ELSE 0 END
FROM @authorities AS x JOIN dbo.credentials AS t ON t.enrolled_by = x.key_id AND t.enrolment_request = x.request
WHERE t.enrolment_request IS NOT NULL;
UPDATE x SET done = 1 FROM @authorities AS x JOIN dbo.credentials AS t ON t.credential_id = x.token_id;
-- In the order of refusalOfNew and refusalOfRepeat; what the key has left is shared out in the order of the items.
UPDATE x SET refusal = CASE
  WHEN x.done = 1 THEN NULL
  WHEN x.kind <> 'enrolment' THEN CASE WHEN x.kind = 'own' AND x.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
    WHEN x.was_role <> x.role THEN 'ROLE_CHANGE'
    WHEN x.kind = 'first_admin' AND x.again = 0 AND (EXISTS (SELECT 1 FROM dbo.agents AS a JOIN dbo.credentials AS c ON c.agent_no = a.agent_no AND c.agent_no IS NOT NULL
    WHERE a.role = 'admin' AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > @now)
    AND (c.idle_days IS NULL OR COALESCE(c.last_used_at, c.created_at) + CAST(c.idle_days AS bigint) * 86400000 + 86400000 > @now)) OR EXISTS (
      SELECT 1 FROM @authorities AS y WHERE y.kind = 'first_admin' AND y.item < x.item)) THEN 'ADMIN_EXISTS' END
  WHEN x.key_no IS NULL THEN 'UNAUTHENTICATED'
  WHEN x.replaced_no IS NOT NULL THEN CASE
    WHEN x.agent_no IS NULL OR x.replaced_agent_no <> x.agent_no OR x.was_role <> x.role THEN 'IDEMPOTENCY_MISMATCH'
    WHEN x.untouched = 0 OR x.was_status = 'deregistered' THEN 'ID_TAKEN' END
  WHEN x.uses_left = 0 THEN 'UNAUTHENTICATED'
  WHEN x.gives_role = 0 THEN 'ROLE_NOT_GIVEN'
  WHEN x.gives_id = 0 THEN 'PREFIX_NOT_GIVEN'
  WHEN x.agent_no IS NOT NULL THEN 'ID_TAKEN' END
FROM @authorities AS x;
UPDATE x SET takes = 1 FROM @authorities AS x
WHERE x.kind = 'enrolment' AND x.refusal IS NULL AND x.done = 0 AND x.replaced_no IS NULL;
UPDATE x SET takes = 0, refusal = 'UNAUTHENTICATED'
FROM (SELECT y.item, ROW_NUMBER() OVER (PARTITION BY y.key_no ORDER BY y.item) AS place FROM @authorities AS y WHERE y.takes = 1) AS p
JOIN @authorities AS x ON x.item = p.item WHERE p.place > x.uses_left;
DELETE r FROM @registering AS r JOIN @authorities AS x ON x.item = r.item
WHERE x.refusal IS NOT NULL;
IF EXISTS (SELECT 1 FROM @registering)
BEGIN
  -- include: parts/prepare.sql
  -- Loses the race when an agent is not the one for which @authorities was decided.
  IF EXISTS (SELECT 1 FROM @registering AS r JOIN @authorities AS x ON x.item = r.item
    LEFT JOIN @status_changes AS s ON s.agent_no = r.agent_no
    WHERE COALESCE(x.agent_no, 0) <> COALESCE(r.agent_no, 0) OR s.was_role <> x.was_role OR s.was_status <> x.was_status)
  -- include: parts/give-up.sql
  BEGIN TRANSACTION;
  -- First thing inside the transaction: one maker of a first admin at a time, to the end of its transaction, and who
  -- comes second loses the race and is refused when it reads again.
  IF EXISTS (SELECT 1 FROM @authorities AS x WHERE x.kind = 'first_admin' AND x.refusal IS NULL AND x.done = 0)
  BEGIN
    DECLARE @firstAdminLock int;
    EXEC @firstAdminLock = sp_getapplock @Resource = N'first admin', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000;
    IF @firstAdminLock < 0
  -- include: parts/give-up.sql
    -- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
    -- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
    SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
    IF EXISTS (SELECT 1 FROM dbo.agents AS a JOIN dbo.credentials AS c ON c.agent_no = a.agent_no AND c.agent_no IS NOT NULL
      WHERE a.role = 'admin' AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > @now)
      AND (c.idle_days IS NULL OR COALESCE(c.last_used_at, c.created_at) + CAST(c.idle_days AS bigint) * 86400000 + 86400000 > @now)) AND EXISTS (SELECT 1 FROM @authorities AS x
      WHERE x.kind = 'first_admin' AND x.refusal IS NULL AND x.done = 0 AND x.again = 0)
  -- include: parts/give-up.sql
  END;
  -- include: parts/register-agent-write.sql
  -- Inside the transaction, after the rows of the agents: the uses of the keys, then tokens that are replaced, then new
  -- ones: what they may register, and how they end, the key says.
  -- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
  -- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
  SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
  UPDATE k SET uses_left = k.uses_left - u.uses, last_used_at = @now
  FROM (SELECT x.key_no, COUNT(*) AS uses FROM @authorities AS x WHERE x.takes = 1 GROUP BY x.key_no) AS u
  JOIN dbo.credentials AS k ON k.credential_no = u.key_no
  WHERE k.uses_left >= u.uses AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @now)
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(DISTINCT x.key_no) FROM @authorities AS x WHERE x.takes = 1)
  BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE t SET credential_id = x.token_id, secret_hash = x.secret_hash, created_at = @now, created_by = r.actor,
    expires_at = @now + x.token_days * CAST(86400000 /* DAY_MILLISECONDS */ AS bigint)
  FROM @authorities AS x JOIN @registering AS r ON r.item = x.item JOIN dbo.credentials AS t ON t.credential_no = x.replaced_no
  WHERE x.done = 0 AND x.refusal IS NULL AND t.credential_id = x.replaced_id AND t.last_used_at IS NULL AND t.revoked_at IS NULL
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @authorities AS x WHERE x.done = 0 AND x.refusal IS NULL AND x.replaced_no IS NOT NULL)
  BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, created_at, created_by, enrolled_by, enrolment_request,
    expires_at, capabilities, max_concurrent_tasks, idle_days)
  SELECT x.token_id, 'token', r.agent_no, x.secret_hash, @now, r.actor, x.key_id, x.request,
    @now + x.token_days * CAST(86400000 /* DAY_MILLISECONDS */ AS bigint), k.capabilities, k.max_concurrent_tasks, k.idle_days
  FROM @authorities AS x JOIN @registering AS r ON r.item = x.item JOIN dbo.credentials AS k ON k.credential_no = x.key_no
  WHERE x.takes = 1 ORDER BY x.item;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(r.actor, 'system'), 'credential.used_enrolment', 'credential', x.key_id, CONCAT('{"agentId":"' + r.agent_id + '"', ',"tokenId":"' + x.token_id + '"', ',"replaces":' + CASE WHEN CASE WHEN x.takes = 1 THEN 0 ELSE 1 END = 1 THEN 'true' ELSE 'false' END, '}')
  FROM @authorities AS x JOIN @registering AS r ON r.item = x.item
  WHERE x.kind = 'enrolment' AND x.done = 0 ORDER BY x.item;
  -- The tokens of first admins.
  INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at)
  SELECT x.token_id, 'token', r.agent_no, x.secret_hash, x.label, @now, x.issuer, @now + x.expires_in
  FROM @authorities AS x JOIN @registering AS r ON r.item = x.item
  WHERE x.kind = 'first_admin' AND x.done = 0 AND x.refusal IS NULL ORDER BY x.item;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(x.issuer, 'system'), 'credential.issued', 'credential', x.token_id, CONCAT('{"kind":"' + 'token' + '"', ',"agentId":"' + r.agent_id + '"', '}')
  FROM @authorities AS x JOIN @registering AS r ON r.item = x.item
  WHERE x.kind = 'first_admin' AND x.done = 0 AND x.refusal IS NULL ORDER BY x.item;
  INSERT INTO dbo.counters (name, slot)
  SELECT CONCAT('mailbox:', r.agent_no), s.slot
  FROM @registering AS r CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot) WHERE r.is_new = 1;
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/hand-out-to-registered.sql
END;
SELECT r.item, NULL AS code, NULL AS subject, CASE WHEN x.kind = 'enrolment' THEN 1 ELSE r.created END AS created
FROM @registering AS r LEFT JOIN @authorities AS x ON x.item = r.item
UNION ALL SELECT x.item, x.refusal, NULL, 0 FROM @authorities AS x WHERE x.refusal IS NOT NULL;
SELECT r.item, a.agent_no, a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks,
  a.registered_at, h.last_heartbeat_at, h.heartbeat_timeout_seconds, l.completed, l.failed, l.lost, l.released, l.completed_milliseconds, l.p95_milliseconds, m.metadata
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_no = r.agent_no
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = a.agent_no;
