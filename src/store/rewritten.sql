-- When a watched branch was rewritten, until it moves in the ordinary way.
ALTER TABLE watch_states ADD COLUMN rewritten_at INTEGER;
