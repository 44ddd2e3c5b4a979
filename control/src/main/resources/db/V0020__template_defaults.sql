-- What processes get by the template: {"env": {}, "user": "", "workdir": "", "start": []}.
ALTER TABLE templates ADD COLUMN defaults text NOT NULL DEFAULT '{}';

-- The same of the template a capsule was made from, which may be gone by now.
ALTER TABLE capsules ADD COLUMN defaults text NOT NULL DEFAULT '{}';
