-- Those that a clock which was ahead has planned are found by this: the other schedules are not read.
CREATE INDEX schedules_planned ON schedules (planned_at) WHERE due_at IS NOT NULL;
