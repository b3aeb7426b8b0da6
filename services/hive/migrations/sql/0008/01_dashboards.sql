-- Dashboards: of their maker alone, or shared with the organisation. What is drawn is the pages' matter.
CREATE TABLE dashboards (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  owner_id bigint NOT NULL,
  title text NOT NULL,
  description text NOT NULL,
  shared boolean NOT NULL DEFAULT false,
  definition text NOT NULL,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
COMMENT ON COLUMN dashboards.owner_id IS 'the user who made it; no reference, for a shared one outlives its maker';
COMMENT ON COLUMN dashboards.definition IS 'JSON as its page wrote it; text, because nothing here reads it';
CREATE INDEX dashboards_list ON dashboards (org_id, id DESC);
GRANT SELECT, INSERT, UPDATE, DELETE ON dashboards TO hive_app, hive_system;
ALTER TABLE dashboards ENABLE ROW LEVEL SECURITY;
CREATE POLICY machinery ON dashboards TO hive_system USING (true) WITH CHECK (true);
CREATE POLICY visible ON dashboards TO hive_app
  USING (org_id = (SELECT waggle_org()) AND (shared OR owner_id = (SELECT waggle_user())))
  WITH CHECK (org_id = (SELECT waggle_org()));
