-- Credentials: agents' own tokens, enrolment keys, and bindings of Entra ID principals and client certificates. No secret is
-- in here, only the SHA-256 of 256 random bits.
CREATE TABLE credentials (
  -- In order of issue.
  credential_no INTEGER PRIMARY KEY AUTOINCREMENT,
  credential_id TEXT NOT NULL UNIQUE CHECK (length(credential_id) = 36),
  kind TEXT NOT NULL CHECK (kind IN ('token', 'enrolment', 'principal', 'certificate')),
  -- Whose it is. The reference keeps an agent that has credentials from being deleted: its id must not become free.
  agent_no INTEGER REFERENCES agents,
  secret_hash TEXT CHECK (length(secret_hash) = 43),
  label TEXT CHECK (length(label) BETWEEN 1 AND 128),
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER,
  -- What an enrolment key may create, and how often.
  roles TEXT CHECK (roles IS NULL OR json_valid(roles)),
  agent_id_prefix TEXT CHECK (length(agent_id_prefix) BETWEEN 1 AND 128),
  max_uses INTEGER CHECK (max_uses > 0),
  uses_left INTEGER CHECK (uses_left BETWEEN 0 AND max_uses),
  -- The object id of a principal, or the distinguished name of a certificate.
  subject TEXT CHECK (length(subject) BETWEEN 1 AND 512),
  thumbprint TEXT CHECK (length(thumbprint) = 64),
  -- The ids of a principal's agents, as a JSON array; otherwise agent_id_prefix says which they are.
  agent_ids TEXT CHECK (agent_ids IS NULL OR json_valid(agent_ids)),
  -- For a token that came with a registration: the id of the enrolment key, which may be gone by now, and the hash of the
  -- Idempotency-Key under which it can be replaced until it is first used.
  enrolled_by TEXT,
  enrolment_request TEXT,
  CHECK ((agent_no IS NOT NULL) = (kind IN ('token', 'certificate'))),
  CHECK ((secret_hash IS NOT NULL) = (kind IN ('token', 'enrolment'))),
  CHECK ((uses_left IS NOT NULL AND max_uses IS NOT NULL AND roles IS NOT NULL) = (kind = 'enrolment')),
  CHECK (kind <> 'enrolment' OR agent_id_prefix IS NOT NULL),
  CHECK (kind <> 'principal' OR (subject IS NOT NULL AND (agent_ids IS NULL) <> (agent_id_prefix IS NULL))),
  CHECK (kind <> 'certificate' OR (subject IS NULL) <> (thumbprint IS NULL))
) STRICT;
CREATE INDEX credentials_of_agent ON credentials (agent_no, credential_no) WHERE agent_no IS NOT NULL;
CREATE INDEX credentials_by_kind ON credentials (kind, credential_no);
-- A principal, a subject and a thumbprint have one binding at a time.
CREATE UNIQUE INDEX credentials_subject ON credentials (kind, subject) WHERE subject IS NOT NULL AND revoked_at IS NULL;
CREATE UNIQUE INDEX credentials_thumbprint ON credentials (thumbprint) WHERE thumbprint IS NOT NULL AND revoked_at IS NULL;
CREATE UNIQUE INDEX credentials_enrolment_request ON credentials (enrolled_by, enrolment_request)
  WHERE enrolment_request IS NOT NULL;
