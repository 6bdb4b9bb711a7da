-- Watched repositories. Those that config.fnl declares are not in `watches`.

CREATE TABLE watches (
  name          TEXT PRIMARY KEY,
  url           TEXT NOT NULL,
  branch        TEXT NOT NULL,
  every_ms      INTEGER NOT NULL,
  allow_private INTEGER NOT NULL,
  -- The name of a declared secret.
  token         TEXT,
  added_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was last found out about a watch; it belongs to this address and branch.
CREATE TABLE watch_states (
  name           TEXT PRIMARY KEY,
  url            TEXT NOT NULL,
  branch         TEXT NOT NULL,
  state          TEXT NOT NULL,
  since          INTEGER NOT NULL,
  error          TEXT,
  tip            TEXT,
  default_branch TEXT
) STRICT, WITHOUT ROWID;
