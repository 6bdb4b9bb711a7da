-- Version 6 of the database: reasons have a word and hints beside their text.

ALTER TABLE runs ADD COLUMN reason_code TEXT;
-- A JSON array of texts.
ALTER TABLE runs ADD COLUMN reason_hints TEXT;
