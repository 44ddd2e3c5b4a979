-- States that builds have come to, by the name of everything they come from; the host holds each as
-- a template. One that is not ready is being made or removed: whoever finds it old removes it.
CREATE TABLE step_cache (
    team_id     text NOT NULL REFERENCES teams (id),
    key         text NOT NULL,
    template_id uuid NOT NULL UNIQUE,
    is_ready    boolean NOT NULL DEFAULT false,
    state       text NOT NULL,
    vcpus       integer NOT NULL DEFAULT 0,
    memory_mb   integer NOT NULL DEFAULT 0,
    size_bytes  bigint NOT NULL DEFAULT 0,
    used_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, key)
);
