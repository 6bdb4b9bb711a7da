-- The key of a watch, and whether its first sight runs.
ALTER TABLE watches ADD COLUMN ssh_key TEXT;
ALTER TABLE watches ADD COLUMN first_run INTEGER NOT NULL DEFAULT 1;
