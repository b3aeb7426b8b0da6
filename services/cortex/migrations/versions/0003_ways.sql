-- What a definition of the bridge asks of the misp-modules server: the module's name, types and settings.
ALTER TABLE definitions ADD COLUMN misp_module jsonb;

-- Whoever keeps accounts or workers in memory for a moment hears of every change to them.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify(TG_ARGV[0], '');
  RETURN NULL;
END $$;
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell_change('cortex_identity');
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON organisations
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('cortex_identity');
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('cortex_identity');
CREATE TRIGGER workers_changed AFTER INSERT OR UPDATE OR DELETE ON workers FOR EACH STATEMENT EXECUTE FUNCTION tell_change('workers');

-- Which runner a worker's jobs go to; without it the first that fits.
ALTER TABLE workers ADD COLUMN runner text CHECK (runner IN ('warm', 'process', 'docker'));
