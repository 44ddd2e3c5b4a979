-- What the owner of a capsule decided about requests to its ports.
ALTER TABLE capsules
    ADD COLUMN auto_resume   boolean NOT NULL DEFAULT false,
    ADD COLUMN private_ports boolean NOT NULL DEFAULT false;
