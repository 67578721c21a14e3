-- W3C Trace Context of the call that sent the message: whoever goes on with it continues that trace. NULL: no trace, or the
-- switchboard's own task_assignment, which has that of its task.
ALTER TABLE messages ADD COLUMN traceparent TEXT CHECK (length(traceparent) = 55);
-- Of the call that assigned the task. Beside what is never searched or rewritten.
ALTER TABLE task_bodies ADD COLUMN traceparent TEXT CHECK (length(traceparent) = 55);
