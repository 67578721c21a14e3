-- The holder is known by name alone, which is free for another agent only when no message names it any more
-- (deleteGone).
CREATE PROCEDURE release.relation_to_message
  @items nvarchar(max)
AS
SELECT i.item, CASE i.agent_id COLLATE Latin1_General_100_BIN2 WHEN s.agent_id THEN 'sent_by' WHEN r.agent_id THEN 'sent_to' WHEN m.holder THEN 'leased_by' END AS value
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128)) AS i
LEFT JOIN dbo.messages AS m ON m.message_id = i.message_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
LEFT JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
OPTION (LOOP JOIN, FORCE ORDER);
