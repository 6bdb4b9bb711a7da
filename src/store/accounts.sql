-- Version 13 of the database: who comes over ssh. Times are milliseconds since 1970.

CREATE TABLE users (
  name       TEXT PRIMARY KEY,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Public keys. The number of a key stands in what sshd is given: it is never used twice.
CREATE TABLE keys (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  user        TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  fingerprint TEXT NOT NULL UNIQUE,
  -- Its kind and its base64.
  line        TEXT NOT NULL,
  comment     TEXT NOT NULL,
  -- A JSON array of ids of repositories, which the key opens and no other; null for those of its user.
  repos       TEXT,
  -- The most that a limited key may; null for the rights of its user.
  may         TEXT CHECK (may IN ('read', 'write')),
  created_by  TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  CHECK (repos IS NULL OR may IS NOT NULL)
) STRICT;
CREATE INDEX keys_by_user ON keys (user);
