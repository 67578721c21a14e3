-- What the messages of send-questions say, in the same order. $(tasks): the tasks, t.
INSERT INTO dbo.message_payloads (arrival, payload)
SELECT @questionArrival + ROW_NUMBER() OVER (ORDER BY m.question_no, m.receiver_no) - 1, m.payload
FROM (
  -- include: parts/question-messages.sql
) AS m;
