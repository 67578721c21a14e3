-- What may be registered with a credential, its end by disuse, the life of the tokens that an enrolment key gives, and renewals.
-- A JSON array of capabilities, each exact or with * at its end; NULL: any.
ALTER TABLE credentials ADD COLUMN capabilities TEXT CHECK (capabilities IS NULL OR json_valid(capabilities));
ALTER TABLE credentials ADD COLUMN max_concurrent_tasks INTEGER CHECK (max_concurrent_tasks >= 0);
-- Of an enrolment key: of the tokens that it gives.
ALTER TABLE credentials ADD COLUMN idle_days INTEGER CHECK (idle_days > 0);
ALTER TABLE credentials ADD COLUMN token_days INTEGER CHECK (token_days IS NULL OR (token_days > 0 AND kind = 'enrolment'));
-- The id of the token that this one renews, which may be gone by now.
ALTER TABLE credentials ADD COLUMN renews TEXT CHECK (renews IS NULL OR kind = 'token');
CREATE INDEX credentials_renewals ON credentials (renews, credential_no) WHERE renews IS NOT NULL;
