-- Runs of job folders: their repository is that of the data folder itself.

ALTER TABLE repos RENAME COLUMN origin TO origin_before;
ALTER TABLE repos ADD COLUMN origin TEXT NOT NULL DEFAULT 'hosted' CHECK (origin IN ('hosted', 'watched', 'jobs'));
UPDATE repos SET origin = origin_before;
ALTER TABLE repos DROP COLUMN origin_before;

-- What each of them runs, as JSON. Values of secret arguments are not in it.
CREATE TABLE job_runs (
  run  TEXT PRIMARY KEY REFERENCES runs (id),
  spec TEXT NOT NULL
) STRICT, WITHOUT ROWID;
