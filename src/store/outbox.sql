-- Version 2 of the database: notifications.

-- What happened and was not yet compared with the rules: 'ended' and 'stuck' runs, and 'watch', which is no run.
CREATE TABLE notices (
  seq   INTEGER PRIMARY KEY,
  kind  TEXT NOT NULL CHECK (kind IN ('ended', 'stuck', 'watch')),
  run   TEXT,
  -- Of 'watch': what is said, as JSON.
  said  TEXT,
  at    INTEGER NOT NULL
) STRICT;

-- One row for each message to one target. Its id is the same however often it is made or sent.
CREATE TABLE outbox (
  id         TEXT PRIMARY KEY,
  target     TEXT NOT NULL,
  event      TEXT NOT NULL,
  subject    TEXT NOT NULL,
  -- What the message is made of, as JSON.
  message    TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given-up')),
  attempts   INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  problem    TEXT,
  created_at INTEGER NOT NULL,
  ended_at   INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (target, due_at) WHERE state = 'waiting';
CREATE INDEX outbox_by_time ON outbox (created_at);

-- Wherever a run ends, its notice is in the same transaction.
CREATE TRIGGER runs_end AFTER UPDATE OF state ON runs WHEN new.state = 'finished' AND old.state <> 'finished'
BEGIN
  INSERT INTO notices (kind, run, at) VALUES ('ended', new.id, new.finished_at);
END;
CREATE TRIGGER runs_never_begin AFTER INSERT ON runs WHEN new.state = 'finished' AND new.outcome <> 'skipped'
BEGIN
  INSERT INTO notices (kind, run, at) VALUES ('ended', new.id, new.finished_at);
END;
