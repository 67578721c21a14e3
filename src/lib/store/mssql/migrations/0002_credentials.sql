SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- Credentials: agents' own tokens, enrolment keys, and bindings of Entra ID principals and client certificates. No secret is
-- in here, only the SHA-256 of 256 random bits.
CREATE TABLE dbo.credentials (
  -- In order of issue.
  credential_no int IDENTITY NOT NULL CONSTRAINT credentials_pk PRIMARY KEY,
  credential_id varchar(36) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT credentials_id UNIQUE,
  kind varchar(11) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT credentials_kind CHECK (kind IN ('token', 'enrolment', 'principal', 'certificate')),
  -- Whose it is. The reference keeps an agent that has credentials from being deleted: its id must not become free.
  agent_no int NULL CONSTRAINT credentials_agent REFERENCES dbo.agents,
  secret_hash varchar(43) COLLATE Latin1_General_100_BIN2 NULL,
  label nvarchar(128) NULL,
  created_at bigint NOT NULL,
  created_by varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  expires_at bigint NULL,
  revoked_at bigint NULL,
  last_used_at bigint NULL,
  -- What an enrolment key may create, and how often.
  roles nvarchar(256) NULL CONSTRAINT credentials_roles CHECK (roles IS NULL OR ISJSON(roles) = 1),
  agent_id_prefix varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  max_uses int NULL,
  uses_left int NULL,
  -- The object id of a principal, or the distinguished name of a certificate.
  subject nvarchar(512) COLLATE Latin1_General_100_BIN2 NULL,
  thumbprint varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  -- The ids of a principal's agents, as a JSON array; otherwise agent_id_prefix says which they are.
  agent_ids nvarchar(max) NULL CONSTRAINT credentials_agent_ids CHECK (agent_ids IS NULL OR ISJSON(agent_ids) = 1),
  -- For a token that came with a registration: the id of the enrolment key, which may be gone by now, and the hash of the
  -- Idempotency-Key under which it can be replaced until it is first used.
  enrolled_by varchar(36) COLLATE Latin1_General_100_BIN2 NULL,
  enrolment_request varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  CONSTRAINT credentials_uses CHECK (uses_left BETWEEN 0 AND max_uses),
  CONSTRAINT credentials_parts CHECK (
    (kind = 'token' AND agent_no IS NOT NULL AND secret_hash IS NOT NULL)
    OR (kind = 'enrolment' AND agent_no IS NULL AND secret_hash IS NOT NULL AND roles IS NOT NULL AND agent_id_prefix IS NOT NULL
      AND max_uses IS NOT NULL AND uses_left IS NOT NULL)
    OR (kind = 'principal' AND agent_no IS NULL AND subject IS NOT NULL
      AND ((agent_ids IS NULL AND agent_id_prefix IS NOT NULL) OR (agent_ids IS NOT NULL AND agent_id_prefix IS NULL)))
    OR (kind = 'certificate' AND agent_no IS NOT NULL
      AND ((subject IS NULL AND thumbprint IS NOT NULL) OR (subject IS NOT NULL AND thumbprint IS NULL))))
);
CREATE INDEX credentials_of_agent ON dbo.credentials (agent_no, credential_no) WHERE agent_no IS NOT NULL;
CREATE INDEX credentials_by_kind ON dbo.credentials (kind, credential_no);
-- A principal, a subject and a thumbprint have one binding at a time.
CREATE UNIQUE INDEX credentials_subject ON dbo.credentials (kind, subject) WHERE subject IS NOT NULL AND revoked_at IS NULL;
CREATE UNIQUE INDEX credentials_thumbprint ON dbo.credentials (thumbprint) WHERE thumbprint IS NOT NULL AND revoked_at IS NULL;
CREATE UNIQUE INDEX credentials_enrolment_request ON dbo.credentials (enrolled_by, enrolment_request)
  WHERE enrolment_request IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (2, '0002_credentials.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
