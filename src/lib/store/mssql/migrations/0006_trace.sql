SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- W3C Trace Context of the call that sent the message: whoever goes on with it continues that trace. NULL: no trace, or the
-- switchboard's own task_assignment, which has that of its task.
ALTER TABLE dbo.messages ADD traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL;
-- Of the call that assigned the task. Beside what is never searched or rewritten.
ALTER TABLE dbo.task_bodies ADD traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (6, '0006_trace.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
