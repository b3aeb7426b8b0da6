-- What organisations and people set at /api/config: habits of old clients, notifications, preferences of pages.
CREATE TABLE configuration (
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  user_id bigint REFERENCES users ON DELETE CASCADE,
  path text NOT NULL CHECK (char_length(path) BETWEEN 1 AND 128),
  value jsonb NOT NULL,
  updated_at bigint NOT NULL, updated_by text NOT NULL
);
COMMENT ON COLUMN configuration.user_id IS 'null: of the organisation';
CREATE UNIQUE INDEX configuration_key ON configuration (org_id, path, coalesce(user_id, 0));
ALTER TABLE configuration ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON configuration TO hive_app
  USING (org_id = (SELECT waggle_org()) AND (user_id IS NULL OR user_id = (SELECT waggle_user())))
  WITH CHECK (org_id = (SELECT waggle_org()) AND (user_id IS NULL OR user_id = (SELECT waggle_user())));
CREATE POLICY machinery ON configuration TO hive_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON configuration TO hive_app, hive_system;

-- Long-poll streams of classic clients: where each one is. Lost in a crash, which a client answers by opening another.
CREATE UNLOGGED TABLE classic_streams (
  id text PRIMARY KEY,
  org_id bigint NOT NULL,
  user_id bigint NOT NULL,
  position text NOT NULL,
  polled_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX classic_streams_polled ON classic_streams (polled_at);
ALTER TABLE classic_streams ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON classic_streams TO hive_app
  USING (org_id = (SELECT waggle_org()) AND user_id = (SELECT waggle_user()))
  WITH CHECK (org_id = (SELECT waggle_org()) AND user_id = (SELECT waggle_user()));
CREATE POLICY machinery ON classic_streams TO hive_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON classic_streams TO hive_app, hive_system;

-- How far each webhook has told each organisation's changes; for the machinery alone.
CREATE TABLE webhook_positions (
  endpoint text NOT NULL,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  position text NOT NULL,
  failures integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  last_error text,
  PRIMARY KEY (endpoint, org_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_positions TO hive_system;
