-- What hand_out is given: @freed agents that may have room now, @unblocked tasks that wait since now, and the most tasks to
-- hand out, HANDOUTS_PER_CALL for each call. @handedOut: how many were, or -1: it has lost a race.
DECLARE @freed release.agent_numbers;
DECLARE @unblocked release.task_numbers;
DECLARE @handOutLimit int, @handedOut int = 0;
