ALTER TABLE case_exports ADD COLUMN iocs_changed_at timestamptz;
COMMENT ON COLUMN case_exports.iocs_changed_at IS 'last change of the case''s observables that the connector was not told of yet';
CREATE INDEX case_exports_changed ON case_exports (iocs_changed_at) WHERE iocs_changed_at IS NOT NULL;

-- Only for observables of cases: an alert's intake pays nothing for it.
CREATE FUNCTION iocs_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE case_exports SET iocs_changed_at = now()
  WHERE case_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.case_id ELSE NEW.case_id END AND state IN ('done', 'partial', 'failed');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION iocs_changed() FROM PUBLIC;
CREATE TRIGGER iocs_appeared AFTER INSERT ON observables FOR EACH ROW WHEN (NEW.case_id IS NOT NULL AND NEW.ioc)
  EXECUTE FUNCTION iocs_changed();
CREATE TRIGGER iocs_changed AFTER UPDATE OF ioc, data, data_type, tlp, message, sighted ON observables FOR EACH ROW
  WHEN (NEW.case_id IS NOT NULL AND (NEW.ioc OR OLD.ioc)
    AND (NEW.ioc, NEW.data, NEW.data_type, NEW.tlp, NEW.message, NEW.sighted)
      IS DISTINCT FROM (OLD.ioc, OLD.data, OLD.data_type, OLD.tlp, OLD.message, OLD.sighted))
  EXECUTE FUNCTION iocs_changed();
CREATE TRIGGER iocs_went AFTER DELETE ON observables FOR EACH ROW WHEN (OLD.case_id IS NOT NULL AND OLD.ioc)
  EXECUTE FUNCTION iocs_changed();
