-- What a server needs: where a job's output goes and what is made of its images, calls that are asked once, tokens.

ALTER TABLE crawl_jobs ADD COLUMN dataset TEXT;   -- where the output goes
ALTER TABLE crawl_jobs ADD COLUMN recipe TEXT;    -- JSON, as it was given: what is made of the images
CREATE UNIQUE INDEX uq_crawl_jobs_dataset ON crawl_jobs (dataset)
    WHERE dataset IS NOT NULL AND deleted_at IS NULL;

-- Calls that create something and may be repeated by whoever lost the answer.
CREATE TABLE idempotency_keys (
    owner TEXT NOT NULL,                       -- whose key it is
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,                 -- SHA-256 of what was asked, hexadecimal
    operation TEXT NOT NULL,
    ids TEXT NOT NULL,                         -- of what was created, a JSON array in the order of the answer
    attempts TEXT NOT NULL,                    -- of the chunks that a claim started, in that order
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- Who may use a server. Of a token's secret there is only the SHA-256.
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,      -- never given again
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    secret_sha256 BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    revoked_by TEXT,

    CONSTRAINT uq_api_tokens_name UNIQUE (name),   -- for ever: a revoked token's too
    CONSTRAINT ck_api_tokens_role_valid CHECK (role IN ('viewer', 'worker', 'operator', 'admin')),
    CONSTRAINT ck_api_tokens_secret_sha256_length CHECK (length(secret_sha256) = 32),
    CONSTRAINT ck_api_tokens_revoked_by_fits_revoked_at CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
) STRICT;
