-- Version 1 of the database. Times are milliseconds since 1970; refs are bytes; object ids are text.

-- Repositories by the id in their quire.json: a name can be given to another repository later.
CREATE TABLE repos (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  present INTEGER NOT NULL,
  -- Whether what it held when it was adopted has been taken over.
  based   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX repos_by_name ON repos (name) WHERE present = 1;

-- One row for each `git push` that announced itself; open until every update in it is settled.
CREATE TABLE pushes (
  push       TEXT PRIMARY KEY,
  repo       TEXT NOT NULL REFERENCES repos (id),
  pid        INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  boot       TEXT NOT NULL,
  pusher     TEXT,
  options    TEXT NOT NULL,
  at         INTEGER NOT NULL,
  is_open    INTEGER NOT NULL
) STRICT;
CREATE INDEX pushes_open ON pushes (is_open) WHERE is_open = 1;

-- What a push meant to do, written before any ref moved.
CREATE TABLE intents (
  id     INTEGER PRIMARY KEY,
  push   TEXT NOT NULL REFERENCES pushes (push),
  repo   TEXT NOT NULL,
  ref    BLOB NOT NULL,
  old    TEXT NOT NULL,
  new    TEXT NOT NULL,
  at     INTEGER NOT NULL,
  state  TEXT NOT NULL CHECK (state IN ('open', 'confirmed', 'dropped')),
  UNIQUE (push, ref, old, new)
) STRICT;
CREATE INDEX intents_open ON intents (repo, ref) WHERE state = 'open';

-- Ref updates that happened, in the order in which they were recorded.
CREATE TABLE updates (
  id       INTEGER PRIMARY KEY,
  repo     TEXT NOT NULL REFERENCES repos (id),
  ref      BLOB NOT NULL,
  -- The number of the update within its ref: no update is recorded twice.
  serial   INTEGER NOT NULL,
  old      TEXT NOT NULL,
  new      TEXT NOT NULL,
  push     TEXT,
  pusher   TEXT,
  at       INTEGER NOT NULL,
  -- What came of it: 'run', or why nothing was started.
  decision TEXT NOT NULL,
  UNIQUE (repo, ref, serial)
) STRICT;
CREATE INDEX updates_by_push ON updates (push) WHERE push IS NOT NULL;

-- How far each ref's reflog has been read.
CREATE TABLE refs (
  repo TEXT NOT NULL REFERENCES repos (id),
  ref  BLOB NOT NULL,
  seen TEXT NOT NULL,
  PRIMARY KEY (repo, ref)
) STRICT, WITHOUT ROWID;

-- The lines of each ref's present reflog that were settled, as updates or as phantoms; equal ones stand more than once.
CREATE TABLE lines (
  repo TEXT NOT NULL,
  ref  BLOB NOT NULL,
  key  BLOB NOT NULL
) STRICT;
CREATE INDEX lines_by_ref ON lines (repo, ref);

-- Runs. The queue is the rows in state 'queued', by their order of insertion.
CREATE TABLE runs (
  seq           INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  repo          TEXT NOT NULL REFERENCES repos (id),
  number        INTEGER NOT NULL,
  update_id     INTEGER REFERENCES updates (id),
  ref           BLOB NOT NULL,
  old           TEXT NOT NULL,
  sha           TEXT NOT NULL,
  event         TEXT NOT NULL,
  pusher        TEXT,
  options       TEXT NOT NULL,
  pushed_at     INTEGER NOT NULL,
  state         TEXT NOT NULL CHECK (state IN ('queued', 'running', 'finished')),
  outcome       TEXT,
  reason        TEXT,
  superseded_by INTEGER,
  rerun_of      INTEGER,
  queued_at     INTEGER NOT NULL,
  started_at    INTEGER,
  finished_at   INTEGER,
  UNIQUE (repo, number)
) STRICT;
CREATE INDEX runs_unfinished ON runs (state) WHERE state <> 'finished';
