-- Attempts that an agent has lost (by silence or timeout) and those that it gave back, apart from the failed ones. What was counted as failed until
-- now is told apart by the next daily maintenance, which counts the attempts of the last 30 days anew.
ALTER TABLE agents ADD COLUMN lost INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0);
ALTER TABLE agents ADD COLUMN released INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0);
