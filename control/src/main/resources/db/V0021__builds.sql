-- Builds of templates: the queue and what became of each.
-- A worker holds a build until lease_until; epoch fences a worker that lost it. sandbox_id and
-- template_id are written before they are made, so that whoever takes over can remove them.
CREATE TABLE builds (
    id           text PRIMARY KEY,
    team_id      text NOT NULL REFERENCES teams (id),
    name         text NOT NULL,
    spec         text NOT NULL,
    contents     text NOT NULL DEFAULT '{}',
    status       text NOT NULL CHECK (status IN ('pending', 'running', 'success', 'failed', 'cancelled')),
    current_step integer NOT NULL DEFAULT 0,
    error        text NOT NULL DEFAULT '',
    sandbox_id   text NOT NULL DEFAULT '',
    template_id  uuid,
    committing   boolean NOT NULL DEFAULT false,
    epoch        bigint NOT NULL DEFAULT 0,
    attempts     integer NOT NULL DEFAULT 0,
    lease_until  timestamptz,
    defaults     text NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    completed_at timestamptz
);

CREATE INDEX builds_by_team ON builds (team_id, created_at DESC);
CREATE INDEX builds_to_do ON builds (created_at) WHERE status IN ('pending', 'running');

-- The files a build copies from, as a tar.gz in parts; gone once it has ended.
CREATE TABLE build_archives (
    build_id text NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    part     integer NOT NULL,
    bytes    bytea NOT NULL,
    PRIMARY KEY (build_id, part)
);

-- What a build said, as JSON; entries of steps and, between them, output as it came.
CREATE TABLE build_log (
    build_id text NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    seq      bigint NOT NULL,
    epoch    bigint NOT NULL,
    is_step  boolean NOT NULL,
    line     text NOT NULL,
    PRIMARY KEY (build_id, seq)
);
