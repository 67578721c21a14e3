-- Whether agents have made workflows: 1, or no row.
CREATE PROCEDURE release.owns_workflow
  @items nvarchar(max)
AS
SET NOCOUNT ON;
SELECT j.item, 1 AS value
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), workflow_id varchar(128)) AS j
JOIN dbo.workflows AS w ON w.workflow_id = j.workflow_id COLLATE Latin1_General_100_BIN2
JOIN dbo.agents AS a ON a.agent_no = w.supervisor_no AND a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2;
