-- Whoever keeps accounts in memory for a moment hears of every change to what an account may do.
CREATE FUNCTION tell_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('hive_identity', '');
  RETURN NULL;
END $$;
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON memberships FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON profiles FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON organisations FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
-- Not for last_used_at, which says nothing about rights.
CREATE TRIGGER identity_changed AFTER INSERT OR DELETE OR UPDATE OF user_id, org_id, hash ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
