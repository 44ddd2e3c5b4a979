-- What happened to the things of a team, for those who follow it live. A change of a capsule's state
-- is noted by the database itself, so that no writer of any server can forget it or note it without
-- the change.
--
-- tx is the transaction that wrote the event. Numbers are given before their transaction commits, so
-- readers go by transactions: all events below the oldest one that is still open are there to stay
-- (pg_snapshot_xmin, PostgreSQL manual 9.27.10), and none can appear among them later.
CREATE TABLE events (
    tx            bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id            bigint GENERATED ALWAYS AS IDENTITY,
    team_id       text NOT NULL REFERENCES teams (id),
    kind          text NOT NULL,
    outcome       text NOT NULL DEFAULT '',
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    actor_type    text NOT NULL DEFAULT '',
    actor_id      text NOT NULL DEFAULT '',
    actor_name    text NOT NULL DEFAULT '',
    metadata      text NOT NULL DEFAULT '{}',
    error         text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tx, id)
);

CREATE INDEX events_of_team ON events (team_id, tx, id);
CREATE INDEX events_by_age ON events (created_at);

CREATE FUNCTION note_capsule_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    facts jsonb := jsonb_build_object('from', OLD.status, 'to', NEW.status);
BEGIN
    IF NEW.reason <> '' THEN
        facts := facts || jsonb_build_object('reason', NEW.reason);
    END IF;
    INSERT INTO events (team_id, kind, resource_type, resource_id, metadata, created_at)
    VALUES (NEW.team_id, 'capsule.state.changed', 'sandbox', NEW.id, facts::text, NEW.last_updated);
    -- Hosts give a reason for a pause that nobody asked for, such as the expiry.
    IF NEW.status = 'paused' AND NEW.reason <> '' THEN
        INSERT INTO events (team_id, kind, outcome, resource_type, resource_id, actor_type, metadata,
                            created_at)
        VALUES (NEW.team_id, 'capsule.pause', 'success', 'sandbox', NEW.id, 'system',
                jsonb_build_object('reason', NEW.reason)::text, NEW.last_updated);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER capsule_state_changed AFTER UPDATE OF status ON capsules
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION note_capsule_state();
