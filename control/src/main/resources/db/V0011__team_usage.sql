-- What each team has reserved, taken once every 10 seconds by whichever server comes first: slot counts
-- periods of 10 seconds since 1970, so that two servers cannot take the same one twice.
CREATE TABLE team_samples (
    team_id   text NOT NULL REFERENCES teams (id),
    slot      bigint NOT NULL,
    running   integer NOT NULL,
    vcpus     integer NOT NULL,
    memory_mb bigint NOT NULL,
    PRIMARY KEY (team_id, slot)
);

CREATE INDEX team_samples_by_slot ON team_samples (slot);

-- The greatest values of each hour, counted since 1970: what is left of samples that are a day old.
CREATE TABLE team_hours (
    team_id   text NOT NULL REFERENCES teams (id),
    hour      bigint NOT NULL,
    running   integer NOT NULL,
    vcpus     integer NOT NULL,
    memory_mb bigint NOT NULL,
    PRIMARY KEY (team_id, hour)
);

-- What was used on each day (UTC); a sample is added in the statement that inserts it, and only then.
CREATE TABLE team_days (
    team_id           text NOT NULL REFERENCES teams (id),
    day               date NOT NULL,
    vcpu_seconds      bigint NOT NULL,
    memory_mb_seconds bigint NOT NULL,
    PRIMARY KEY (team_id, day)
);
