-- Catalogues of techniques that administrators make and fill.
ALTER TABLE pattern_catalogs
  ADD COLUMN id bigint NOT NULL DEFAULT nextval('entity_id') UNIQUE,
  ADD COLUMN description text NOT NULL DEFAULT '',
  ADD COLUMN variant text,
  ADD COLUMN shipped boolean NOT NULL DEFAULT true,
  ADD COLUMN created_at bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000)::bigint,
  ADD COLUMN created_by text NOT NULL DEFAULT 'system@thehive.local',
  ADD COLUMN updated_at bigint, ADD COLUMN updated_by text, ADD COLUMN version integer NOT NULL DEFAULT 1,
  ALTER COLUMN edition DROP NOT NULL;
COMMENT ON COLUMN pattern_catalogs.shipped IS 'comes with the product, which loads it at a start';
-- Deferred: the first start loads techniques before it says which edition they are.
ALTER TABLE patterns ADD CONSTRAINT patterns_catalog FOREIGN KEY (catalog) REFERENCES pattern_catalogs (name)
  ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX patterns_of_catalog ON patterns (catalog);

-- Everybody's to read, the administration's to change.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['patterns', 'pattern_catalogs'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY everybody ON %I FOR SELECT TO hive_app USING (true)', t);
    EXECUTE format('CREATE POLICY make ON %I FOR INSERT TO hive_app WITH CHECK ((SELECT in_admin_organisation()))', t);
    EXECUTE format('CREATE POLICY change ON %I FOR UPDATE TO hive_app USING ((SELECT in_admin_organisation()))', t);
    EXECUTE format('CREATE POLICY remove ON %I FOR DELETE TO hive_app USING ((SELECT in_admin_organisation()))', t);
    EXECUTE format('CREATE POLICY machinery ON %I TO hive_system USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
GRANT INSERT, UPDATE, DELETE ON patterns, pattern_catalogs TO hive_app;
