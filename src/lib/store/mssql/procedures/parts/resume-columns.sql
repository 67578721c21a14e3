-- What an assignment tells of a suspension beside its reason, from g and u of resume-tables.
g.[checkpoint], g.checkpoint_key, g.answer, g.answer_key, g.default_answer, g.default_key, u.state AS question_state, u.asked_version, u.answered_by
