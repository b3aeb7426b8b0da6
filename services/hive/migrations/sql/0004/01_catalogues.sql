-- Statuses become things an administrator makes; those the rules know by name stay.
ALTER TABLE statuses
  ADD COLUMN description text NOT NULL DEFAULT '',
  ADD COLUMN hidden boolean NOT NULL DEFAULT false,
  ADD COLUMN built_in boolean NOT NULL DEFAULT false,
  ADD COLUMN created_at bigint NOT NULL DEFAULT 1767225600000,
  ADD COLUMN created_by text NOT NULL DEFAULT 'system@thehive.local',
  ADD COLUMN updated_at bigint,
  ADD COLUMN updated_by text,
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD CHECK (char_length(value) BETWEEN 1 AND 64);
UPDATE statuses SET built_in = true;
GRANT INSERT, UPDATE, DELETE ON statuses TO hive_app;

ALTER TABLE users ADD COLUMN avatar bytea REFERENCES blobs, ADD COLUMN avatar_type text;

-- How often a definition or type is used, over all organisations: asked before it changes or goes.
CREATE FUNCTION custom_field_use(no integer, OUT alerts bigint, OUT cases bigint, OUT templates bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT (SELECT count(DISTINCT alert_id) FROM alert_fields WHERE field_no = no),
    (SELECT count(DISTINCT case_id) FROM case_fields WHERE field_no = no),
    (SELECT count(*) FROM case_templates t JOIN custom_fields f ON f.field_no = no
      WHERE t.custom_fields @> jsonb_build_array(jsonb_build_object('name', f.name))) $$;

-- Takes a custom field away with its values, also from the copies that alerts, cases and templates show.
CREATE FUNCTION remove_custom_field(no integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE gone text := (SELECT name FROM custom_fields WHERE field_no = no);
BEGIN
  UPDATE alerts SET custom_fields = without_field(custom_fields, gone) WHERE id IN (SELECT alert_id FROM alert_fields WHERE field_no = no);
  UPDATE cases SET custom_fields = without_field(custom_fields, gone) WHERE id IN (SELECT case_id FROM case_fields WHERE field_no = no);
  UPDATE case_templates SET custom_fields = without_field(custom_fields, gone)
    WHERE custom_fields @> jsonb_build_array(jsonb_build_object('name', gone));
  DELETE FROM alert_fields WHERE field_no = no;
  DELETE FROM case_fields WHERE field_no = no;
  DELETE FROM custom_fields WHERE field_no = no;
END $$;
CREATE FUNCTION without_field(fields jsonb, gone text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_agg(e.value ORDER BY e.ordinality), '[]') FROM jsonb_array_elements(fields) WITH ORDINALITY e
  WHERE e.value ->> 'name' <> gone $$;
CREATE FUNCTION observable_type_used(wanted text) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM observables WHERE data_type = wanted) $$;
CREATE FUNCTION status_used(wanted_kind text, wanted text) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT CASE wanted_kind WHEN 'alert' THEN EXISTS (SELECT FROM alerts WHERE status = wanted)
    ELSE EXISTS (SELECT FROM cases WHERE status = wanted) END $$;
REVOKE ALL ON FUNCTION custom_field_use(integer), remove_custom_field(integer), observable_type_used(text), status_used(text, text)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION custom_field_use(integer), remove_custom_field(integer), observable_type_used(text),
  status_used(text, text) TO hive_app, hive_system;
