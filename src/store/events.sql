-- Version 5 of the database: typed events. A run may be about no ref, and what a repository is stands in a column.

ALTER TABLE repos ADD COLUMN origin TEXT NOT NULL DEFAULT 'hosted' CHECK (origin IN ('hosted', 'watched'));
UPDATE repos SET origin = 'watched' WHERE id LIKE 'watched:%';

DROP TRIGGER runs_end;
DROP TRIGGER runs_never_begin;

-- Runs. The queue is the rows in state 'queued', by their order of insertion.
CREATE TABLE runs_5 (
  seq           INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  repo          TEXT NOT NULL REFERENCES repos (id),
  number        INTEGER NOT NULL,
  update_id     INTEGER REFERENCES updates (id),
  -- The ref update that it is about: all three, or none.
  ref           BLOB,
  old           TEXT,
  sha           TEXT,
  -- What started it; of a rerun, what started the run that it repeats. `cause` has its details, as JSON.
  event         TEXT NOT NULL CHECK (event IN ('push', 'watch', 'manual', 'cron')),
  cause         TEXT,
  pusher        TEXT,
  options       TEXT NOT NULL,
  pushed_at     INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('queued', 'running', 'finished')),
  outcome       TEXT,
  reason        TEXT,
  superseded_by INTEGER,
  rerun_of      INTEGER,
  -- Which jobs are repeated, as JSON.
  rerun_what    TEXT,
  queued_at     INTEGER NOT NULL,
  started_at    INTEGER,
  finished_at   INTEGER,
  UNIQUE (repo, number),
  CHECK ((ref IS NULL) = (old IS NULL) AND (ref IS NULL) = (sha IS NULL)),
  CHECK ((rerun_of IS NULL) = (rerun_what IS NULL))
) STRICT;

INSERT INTO runs_5
  SELECT seq, runs.id, repo, number, update_id, ref, old, sha,
         CASE WHEN event = 'push' AND origin = 'watched' THEN 'watch' ELSE event END, NULL,
         -- Nobody but the watch itself.
         CASE WHEN pusher = 'watch' AND origin = 'watched' THEN NULL ELSE pusher END,
         options, pushed_at, state, outcome, reason, superseded_by,
         rerun_of, CASE WHEN rerun_of IS NOT NULL THEN '"all"' END, queued_at, started_at, finished_at
  FROM runs JOIN repos ON repos.id = runs.repo;

DROP TABLE runs;
ALTER TABLE runs_5 RENAME TO runs;

CREATE INDEX runs_unfinished ON runs (state) WHERE state <> 'finished';
CREATE INDEX runs_by_update ON runs (update_id) WHERE update_id IS NOT NULL;

-- Wherever a run ends, its notice is in the same transaction.
CREATE TRIGGER runs_end AFTER UPDATE OF state ON runs WHEN new.state = 'finished' AND old.state <> 'finished'
BEGIN
  INSERT INTO notices (kind, run, at) VALUES ('ended', new.id, new.finished_at);
END;
CREATE TRIGGER runs_never_begin AFTER INSERT ON runs WHEN new.state = 'finished' AND new.outcome <> 'skipped'
BEGIN
  INSERT INTO notices (kind, run, at) VALUES ('ended', new.id, new.finished_at);
END;
