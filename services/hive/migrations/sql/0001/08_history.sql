CREATE TABLE audit (
  id bigint NOT NULL DEFAULT nextval('entity_id'),
  at bigint NOT NULL,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  org_id bigint NOT NULL,
  request_id text NOT NULL DEFAULT waggle_request(),
  base boolean NOT NULL,
  action text NOT NULL CHECK (action IN ('create', 'update', 'delete', 'merge')),
  kind text NOT NULL, object_id bigint NOT NULL,
  root_kind text NOT NULL, root_id bigint NOT NULL,
  case_id bigint,
  actor text NOT NULL,
  details jsonb NOT NULL,
  object jsonb,
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
COMMENT ON COLUMN audit.case_id IS 'set: readers must be able to see that case today';
COMMENT ON COLUMN audit.txid IS 'readers of a stream go by (txid, id) and stop at the oldest running transaction, or a slow commit would be skipped';
CREATE INDEX audit_stream ON audit (org_id, txid, id);
CREATE INDEX audit_root ON audit (root_id, id);
CREATE INDEX audit_request ON audit (request_id);
CREATE TABLE audit_other PARTITION OF audit DEFAULT;

-- Makes the partitions of this month and the next ones; called by `hive migrate` and daily by the service.
CREATE FUNCTION ensure_audit_partitions(months integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
DECLARE
  first date; name text;
BEGIN
  FOR i IN 0..months LOOP
    first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))::date;
    name := 'audit_' || to_char(first, 'YYYYMM');
    IF to_regclass(name) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF audit FOR VALUES FROM (%s) TO (%s)', name,
        (extract(epoch FROM first::timestamp AT TIME ZONE 'UTC') * 1000)::bigint,
        (extract(epoch FROM (first + interval '1 month')::timestamp AT TIME ZONE 'UTC') * 1000)::bigint);
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION ensure_audit_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_audit_partitions(integer) TO hive_system;
SELECT ensure_audit_partitions(3);
