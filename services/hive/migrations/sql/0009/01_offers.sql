ALTER TABLE alerts ADD COLUMN fed jsonb;
COMMENT ON COLUMN alerts.fed IS 'what its source told last, by field: a field that differs was edited here and is left alone';

CREATE TABLE offers (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  alert_id bigint REFERENCES alerts ON DELETE SET NULL,
  source text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('add', 'change', 'remove')),
  data_type text NOT NULL,
  value_key uuid NOT NULL,
  -- the value, or the name of the file
  shown text NOT NULL,
  -- add: the observable as a draft; change: the fields that differ; remove: nothing
  proposal jsonb NOT NULL,
  proposal_hash bytea NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'refused', 'withdrawn')),
  decided_by text,
  decided_at bigint,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  UNIQUE (case_id, kind, data_type, value_key, proposal_hash)
);
CREATE INDEX offers_open ON offers (case_id) WHERE state = 'open';
CREATE INDEX offers_alert ON offers (alert_id);

ALTER TABLE offers ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON offers TO hive_app, hive_system;
CREATE POLICY visible ON offers FOR SELECT TO hive_app
  USING (EXISTS (SELECT FROM cases c WHERE c.id = offers.case_id AND c.org_id = offers.org_id));
CREATE POLICY make ON offers FOR INSERT TO hive_app
  WITH CHECK (EXISTS (SELECT FROM cases c WHERE c.id = offers.case_id AND c.org_id = offers.org_id));
CREATE POLICY change ON offers FOR UPDATE TO hive_app
  USING (EXISTS (SELECT FROM cases c WHERE c.id = offers.case_id AND c.org_id = offers.org_id))
  WITH CHECK (EXISTS (SELECT FROM cases c WHERE c.id = offers.case_id AND c.org_id = offers.org_id));
CREATE POLICY machinery ON offers TO hive_system USING (true) WITH CHECK (true);

-- Offers go where their case goes: to another owner, or into the case it was merged into.
CREATE FUNCTION offers_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.merged_into IS NOT NULL THEN
    DELETE FROM offers o USING offers k WHERE o.case_id = NEW.id AND k.case_id = NEW.merged_into AND k.kind = o.kind
      AND k.data_type = o.data_type AND k.value_key = o.value_key AND k.proposal_hash = o.proposal_hash;
  END IF;
  UPDATE offers SET org_id = NEW.org_id, case_id = coalesce(NEW.merged_into, NEW.id) WHERE case_id = NEW.id;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION offers_follow() FROM PUBLIC;
CREATE TRIGGER offers_follow AFTER UPDATE OF org_id, merged_into ON cases FOR EACH ROW
  WHEN (NEW.org_id <> OLD.org_id OR NEW.merged_into IS DISTINCT FROM OLD.merged_into) EXECUTE FUNCTION offers_follow();
