-- Version 10 of the database: what the HTTP interface keeps. Times are milliseconds since 1970.

-- What people say about a repository; null stands for the setting of the server.
ALTER TABLE repos ADD COLUMN description TEXT;
ALTER TABLE repos ADD COLUMN visibility TEXT CHECK (visibility IN ('public', 'unlisted', 'private'));
ALTER TABLE repos ADD COLUMN log_visibility TEXT CHECK (log_visibility IN ('public', 'unlisted', 'private'));

-- Tokens. Only the SHA-256 of a token is kept.
CREATE TABLE tokens (
  id           INTEGER PRIMARY KEY,
  name         TEXT NOT NULL,
  hash         BLOB NOT NULL UNIQUE,
  -- Words with spaces between them.
  scopes       TEXT NOT NULL,
  -- A JSON array of ids of repositories; null for all.
  repos        TEXT,
  created_by   TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,
  revoked_at   INTEGER,
  last_used_at INTEGER
) STRICT;
CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at IS NULL;

-- Browsers that have signed in. Only the SHA-256 of the cookie is kept.
CREATE TABLE sessions (
  hash       BLOB PRIMARY KEY,
  actor      TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  repos      TEXT,
  -- The token that was signed in with: the session ends with it.
  token      INTEGER REFERENCES tokens (id),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Links that sign a browser in once. Only the SHA-256 of what is secret in them is kept.
CREATE TABLE login_links (
  hash       BLOB PRIMARY KEY,
  actor      TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX login_links_by_expiry ON login_links (expires_at);

-- Who did what. Rows are only added.
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT,
  -- A JSON object.
  detail  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_actor ON audit (actor);
CREATE INDEX audit_by_action ON audit (action);

-- Answers to requests with an Idempotency-Key, by who asked. Without a status, the request is under way.
CREATE TABLE idempotency (
  actor   TEXT NOT NULL,
  key     TEXT NOT NULL,
  -- The SHA-256 of the request.
  request BLOB NOT NULL,
  status  INTEGER,
  -- A JSON object.
  headers TEXT,
  body    BLOB,
  at      INTEGER NOT NULL,
  PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (at);
CREATE INDEX idempotency_open ON idempotency (at) WHERE status IS NULL;

-- Filters of lists of runs.
CREATE INDEX runs_by_sha ON runs (sha, seq) WHERE sha IS NOT NULL;
CREATE INDEX runs_by_event ON runs (repo, event, seq);
CREATE INDEX runs_by_rerun ON runs (repo, rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX jobs_by_name ON jobs (name, run);
