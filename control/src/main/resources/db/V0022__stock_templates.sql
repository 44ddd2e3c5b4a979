-- What a stock template of the platform was made by; empty where nothing else than the row is there.
ALTER TABLE templates ADD COLUMN revision text NOT NULL DEFAULT '';

CREATE INDEX builds_of_name ON builds (team_id, name, created_at DESC);
