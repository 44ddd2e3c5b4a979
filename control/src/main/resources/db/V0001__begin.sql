-- Teams own everything; a deleted team keeps its row so that its slug is never used again.
CREATE TABLE teams (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    slug       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);

-- Keys are stored as SHA-256 of the whole key; the prefix is what people recognise them by.
CREATE TABLE team_api_keys (
    id         text PRIMARY KEY,
    team_id    text NOT NULL REFERENCES teams (id),
    name       text NOT NULL,
    key_hash   text NOT NULL UNIQUE,
    key_prefix text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used  timestamptz
);

-- Templates by name within a team; the platform team's are visible to all.
CREATE TABLE templates (
    id          uuid PRIMARY KEY,
    team_id     text NOT NULL REFERENCES teams (id),
    name        text NOT NULL,
    type        text NOT NULL CHECK (type IN ('base', 'snapshot')),
    vcpus       integer NOT NULL DEFAULT 0,
    memory_mb   integer NOT NULL DEFAULT 0,
    size_bytes  bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    UNIQUE (team_id, name)
);

-- Rows are never deleted: a destroyed capsule keeps answering with its last state.
-- generation is the host's: an older report never overwrites a newer one.
CREATE TABLE capsules (
    id             text PRIMARY KEY,
    team_id        text NOT NULL REFERENCES teams (id),
    template_name  text NOT NULL,
    template_id    uuid NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'running', 'paused', 'stopped', 'missing', 'error')),
    generation     bigint NOT NULL DEFAULT 0,
    vcpus          integer NOT NULL,
    memory_mb      integer NOT NULL,
    timeout_sec    bigint NOT NULL,
    host_ip        text NOT NULL DEFAULT '',
    metadata       text NOT NULL DEFAULT '{}',
    reason         text NOT NULL DEFAULT '',
    server_run     text NOT NULL,
    created_at     timestamptz NOT NULL,
    started_at     timestamptz,
    last_active_at timestamptz,
    last_updated   timestamptz NOT NULL
);

CREATE INDEX capsules_by_team ON capsules (team_id, created_at DESC);
CREATE INDEX capsules_alive ON capsules (status) WHERE status NOT IN ('stopped', 'error');

INSERT INTO teams (id, name, slug, created_at)
VALUES ('team-0000000000000000000000000', 'Platform', 'platform', now());

INSERT INTO templates (id, team_id, name, type, vcpus, memory_mb, created_at)
VALUES ('00000000-0000-0000-0000-000000000000', 'team-0000000000000000000000000', 'minimal', 'base', 1, 512, now());
