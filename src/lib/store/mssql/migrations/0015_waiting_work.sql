SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (Procedures of before know no task that waits for an answer, and would hand it out or end it wrongly.)
--
-- Work that waits: tasks that suspend themselves until an answer or a time, questions, gates, and the time at which a task ends
-- wherever it is.
ALTER TABLE dbo.tasks ADD expires_at bigint NULL;
-- 1: nobody works on it; its question is asked when its dependencies are done, and the answer is its result.
ALTER TABLE dbo.tasks ADD gate bit NOT NULL CONSTRAINT tasks_gate DEFAULT 0;
-- How often it was suspended: an attempt of a task with none has nothing to be told.
ALTER TABLE dbo.tasks ADD suspensions int NOT NULL CONSTRAINT tasks_suspensions DEFAULT 0;
GO
CREATE INDEX tasks_expiring ON dbo.tasks (expires_at) WHERE expires_at IS NOT NULL AND ended_at IS NULL;
-- Older procedures wrote none.
UPDATE t SET last_outcome = a.outcome
FROM dbo.tasks AS t JOIN dbo.task_attempts AS a ON a.task_no = t.task_no
WHERE a.ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_attempts AS b
  WHERE b.task_no = a.task_no AND b.attempt > a.attempt AND b.ended_at IS NOT NULL);
ALTER TABLE dbo.task_attempts DROP CONSTRAINT task_attempts_answer;
GO
-- That of a suspension has the hash of what it waits for.
ALTER TABLE dbo.task_attempts ALTER COLUMN answer nvarchar(400);
GO
ALTER TABLE dbo.task_attempts ADD CONSTRAINT task_attempts_answer CHECK (answer IS NULL OR ISJSON(answer) = 1);
GO
CREATE TABLE dbo.task_suspensions (
  task_no bigint NOT NULL CONSTRAINT task_suspensions_pk PRIMARY KEY
    CONSTRAINT task_suspensions_task REFERENCES dbo.tasks ON DELETE CASCADE,
  -- Since the last answer: past 100 each costs a retry.
  unanswered int NOT NULL CONSTRAINT task_suspensions_unanswered CHECK (unanswered >= 0),
  -- What woke it; NULL: its question is open.
  resumed_by varchar(16) COLLATE Latin1_General_100_BIN2 NULL
    CONSTRAINT task_suspensions_resumed_by CHECK (resumed_by IN ('answered', 'time'))
);
-- Contents are in task_values.
CREATE TABLE dbo.task_questions (
  question_no bigint IDENTITY NOT NULL CONSTRAINT task_questions_pk PRIMARY KEY,
  task_no bigint NOT NULL CONSTRAINT task_questions_task REFERENCES dbo.tasks ON DELETE CASCADE,
  -- The attempt that asked; 0: of a gate.
  attempt int NOT NULL,
  -- The version of the task at which it was asked, which is its id; 0: the gate waits for other tasks.
  asked_version bigint NOT NULL CONSTRAINT task_questions_asked_version DEFAULT 0,
  state varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT task_questions_state CHECK (state IN ('waiting', 'open', 'answered', 'timed_out', 'ended')),
  asked_at bigint NULL,
  timeout_milliseconds bigint NULL,
  expires_at bigint NULL,
  -- Whether the time's end takes a default answer, and whether that answer fails the gate.
  has_default bit NOT NULL,
  default_rejects bit NOT NULL,
  -- By which a repeat is recognised.
  answer_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  answered_by varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  answered_at bigint NULL,
  CONSTRAINT task_questions_of_attempt UNIQUE (task_no, attempt),
  CONSTRAINT task_questions_asked CHECK ((state = 'waiting' AND asked_at IS NULL) OR (state <> 'waiting' AND asked_at IS NOT NULL))
);
CREATE INDEX task_questions_open ON dbo.task_questions (question_no) WHERE state = 'open';
CREATE INDEX task_questions_due ON dbo.task_questions (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;
-- Agents that may answer: the supervisor, and those that were asked.
CREATE TABLE dbo.question_answerers (
  question_no bigint NOT NULL CONSTRAINT question_answerers_question REFERENCES dbo.task_questions ON DELETE CASCADE,
  agent_no int NOT NULL CONSTRAINT question_answerers_agent REFERENCES dbo.agents ON DELETE CASCADE,
  asked bit NOT NULL,
  [open] bit NOT NULL,
  CONSTRAINT question_answerers_pk PRIMARY KEY (question_no, agent_no)
);
CREATE INDEX question_answerers_of_agent ON dbo.question_answerers (agent_no, [open], question_no);
-- What a task and its newest question contain: 'checkpoint', 'question', 'default_answer', 'answer', and of a gate 'gate_default',
-- which is encrypted as the result that it may become. key_version NULL: it is plain.
CREATE TABLE dbo.task_values (
  value_no bigint IDENTITY NOT NULL CONSTRAINT task_values_pk PRIMARY KEY,
  task_no bigint NOT NULL CONSTRAINT task_values_task REFERENCES dbo.tasks ON DELETE CASCADE,
  name varchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
  value nvarchar(max) NOT NULL CONSTRAINT task_values_value CHECK (ISJSON(N'[' + value + N']') = 1),
  key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  CONSTRAINT task_values_name UNIQUE (task_no, name)
);
CREATE INDEX task_values_by_key ON dbo.task_values (key_version, value_no) WHERE key_version IS NOT NULL;
-- Of archived tasks what is encrypted; the rest is in the document.
CREATE TABLE dbo.task_archive_values (
  value_no bigint IDENTITY NOT NULL CONSTRAINT task_archive_values_pk PRIMARY KEY,
  task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT task_archive_values_task REFERENCES dbo.task_archive ON DELETE CASCADE,
  name varchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
  value nvarchar(max) NOT NULL CONSTRAINT task_archive_values_value CHECK (ISJSON(N'[' + value + N']') = 1),
  key_version varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT task_archive_values_name UNIQUE (task_id, name)
);
CREATE INDEX task_archive_values_by_key ON dbo.task_archive_values (key_version, value_no);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (15, '0015_waiting_work.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
