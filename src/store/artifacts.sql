-- The runs that have artifacts with an end of their own, and when the next of them ends. Other runs have no row.
CREATE TABLE artifact_expiries (
  run        INTEGER PRIMARY KEY REFERENCES runs (seq) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX artifact_expiries_by_time ON artifact_expiries (expires_at);
