-- What a task asks of its agent, for weigh: the demand; the one agent that it names, if any; whose attempt just ended, and as what (2:
-- it suspended the task, and is @firstNo, too; otherwise that is 0); the preferred capabilities, each once, as a JSON array (NULL: none). And what comes of it: the best agent (NULL: nobody), its
-- set, 1 when this task takes its last slot, and the explanation. @picks: tasks of this batch that have an agent.
DECLARE @demandNo int, @namedNo int, @endedByNo int, @endedAs int = 1, @firstNo int = 0, @preferred nvarchar(max), @picks int = 0;
DECLARE @chosenNo int, @chosenSetNo int, @chosenFills int, @explanation varchar(max);
