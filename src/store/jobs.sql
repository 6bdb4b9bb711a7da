-- Version 8 of the database: the jobs and steps of runs. Like what `runs` says of a run that has begun, they are an index:
-- `quire doctor --reindex` rebuilds them from the journals.

-- The attempt that the row describes: how many runners had opened the run; 0 before its jobs have begun.
ALTER TABLE runs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
-- The record of the journal up to which the run, its jobs and its steps are indexed; 0 before its jobs have begun.
ALTER TABLE runs ADD COLUMN applied_seq INTEGER NOT NULL DEFAULT 0;

-- The jobs of the runs whose jobs have begun, or that ended by their journal.
CREATE TABLE jobs (
  run          INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  -- Its place in the pipeline, from 0.
  place        INTEGER NOT NULL,
  name         TEXT NOT NULL,
  -- A JSON array: the ids of jobs and event sources.
  needs        TEXT NOT NULL,
  -- The job that has added it to the graph.
  added_by     TEXT,
  attempt      INTEGER NOT NULL,
  state        TEXT NOT NULL AS (CASE WHEN outcome IS NOT NULL THEN 'finished'
                                      WHEN started_at IS NOT NULL THEN 'running' ELSE 'waiting' END),
  outcome      TEXT,
  reason       TEXT,
  reason_code  TEXT,
  reason_hints TEXT,
  started_at   INTEGER,
  finished_at  INTEGER,
  PRIMARY KEY (run, place),
  UNIQUE (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
  run         INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  -- The name of its job.
  job         TEXT NOT NULL,
  number      INTEGER NOT NULL,
  title       TEXT NOT NULL,
  -- The line of the pipeline that asked for it.
  line        INTEGER,
  -- Null while it runs.
  outcome     TEXT,
  -- Null also for a step that was not followed to its end.
  exit        INTEGER,
  signal      INTEGER,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER,
  duration_ms INTEGER,
  -- Bytes of output that its log had no room for.
  left_out    INTEGER NOT NULL,
  PRIMARY KEY (run, job, number)
) STRICT, WITHOUT ROWID;

-- The first line of the message of the commit.
ALTER TABLE runs ADD COLUMN commit_subject TEXT;

-- Lists, newest first; a time is the row of the first run since then.
CREATE INDEX runs_by_repo ON runs (repo, seq);
CREATE INDEX runs_by_ref ON runs (repo, ref, seq);
CREATE INDEX runs_by_outcome ON runs (repo, outcome, seq);
CREATE INDEX runs_by_time ON runs (queued_at);
-- Ended runs from before this version, which have no jobs and steps yet.
CREATE INDEX runs_unindexed ON runs (seq)
  WHERE applied_seq = 0 AND state = 'finished' AND (started_at IS NOT NULL OR outcome <> 'skipped');

-- In the order in which they are read.
DROP INDEX runs_unfinished;
CREATE INDEX runs_unfinished ON runs (seq) WHERE state <> 'finished';
DROP INDEX pushes_open;
CREATE INDEX pushes_open ON pushes (at) WHERE is_open = 1;
DROP INDEX intents_open;
CREATE INDEX intents_open ON intents (repo, ref, at, id) WHERE state = 'open';

-- Wherever a run ends without an end in its journal, what it left open ends with it, in the same transaction.
CREATE TRIGGER runs_end_open AFTER UPDATE OF state ON runs WHEN new.state = 'finished' AND old.state <> 'finished'
BEGIN
  UPDATE jobs SET outcome = new.outcome, reason = new.reason, reason_code = new.reason_code,
                  reason_hints = new.reason_hints, finished_at = new.finished_at
    WHERE run = new.seq AND outcome IS NULL;
  UPDATE steps SET outcome = new.outcome, finished_at = new.finished_at WHERE run = new.seq AND outcome IS NULL;
END;
