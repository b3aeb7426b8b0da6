CREATE TABLE idempotency_keys (
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  user_id bigint NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  request_sha256 bytea NOT NULL,
  status smallint,
  answer bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, user_id, route, key)
);
COMMENT ON COLUMN idempotency_keys.status IS 'null: done, and the answer not yet stored';
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON idempotency_keys TO hive_app
  USING (org_id = (SELECT waggle_org()) AND user_id = (SELECT waggle_user()))
  WITH CHECK (org_id = (SELECT waggle_org()) AND user_id = (SELECT waggle_user()));
CREATE POLICY machinery ON idempotency_keys TO hive_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON idempotency_keys TO hive_app;
GRANT SELECT, UPDATE, DELETE ON idempotency_keys TO hive_system;
