-- Places that job folders come from.
CREATE TABLE sources (
  name   TEXT PRIMARY KEY,
  -- A JSON object.
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
