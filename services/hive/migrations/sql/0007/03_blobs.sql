-- When a content was last stored: the sweep leaves alone what came a moment ago and is not referred to yet.
ALTER TABLE blobs ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
UPDATE blobs SET seen_at = created_at;
CREATE INDEX blobs_seen ON blobs (seen_at);
