-- How the runs of a watch are executed.
ALTER TABLE watches ADD COLUMN keep_workspace INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watches ADD COLUMN interruptible INTEGER NOT NULL DEFAULT 1;
