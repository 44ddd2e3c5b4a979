-- Which capsule a capsule was forked off. Its checkpoints are the host's: it is the truth about them.
ALTER TABLE capsules ADD COLUMN forked_from text REFERENCES capsules (id);
