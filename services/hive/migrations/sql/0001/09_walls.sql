-- The second wall (docs/decisions): hive_app sees the organisation of its transaction and nothing else; hive_system is for
-- machinery across organisations and has a policy of its own instead of BYPASSRLS, which managed servers do not grant.
-- `(SELECT waggle_org())` and never `waggle_org()`: evaluated once per statement instead of once per row.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO hive_app, hive_system;
REVOKE INSERT, UPDATE, DELETE ON installation FROM hive_app, hive_system;
REVOKE INSERT, UPDATE, DELETE ON statuses FROM hive_app;
REVOKE ALL ON sessions, login_attempts FROM hive_app;
REVOKE UPDATE, DELETE ON audit FROM hive_app;
DO $$
DECLARE part text;
BEGIN  -- partitions are reached through their parent only
  FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit'::regclass LOOP
    EXECUTE format('REVOKE ALL ON %s FROM hive_app, hive_system', part);
  END LOOP;
END $$;

CREATE FUNCTION in_admin_organisation() RETURNS boolean LANGUAGE sql STABLE
  AS $$ SELECT EXISTS (SELECT FROM organisations WHERE id = waggle_org() AND name = 'admin') $$;

-- A: what belongs to one organisation.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['alerts', 'alert_tags', 'alert_fields', 'alert_texts', 'observable_values', 'observable_tags',
                           'case_templates'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY own ON %I TO hive_app USING (org_id = (SELECT waggle_org())) WITH CHECK (org_id = (SELECT waggle_org()))', t);
  END LOOP;
END $$;

-- People: one's own rows, those of the organisation, and all of them for the administration organisation.
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
CREATE POLICY people ON memberships TO hive_app
  USING (org_id = (SELECT waggle_org()) OR user_id = (SELECT waggle_user()) OR (SELECT in_admin_organisation()))
  WITH CHECK (org_id = (SELECT waggle_org()) OR (SELECT in_admin_organisation()));
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY people ON api_keys TO hive_app
  USING (user_id = (SELECT waggle_user()) OR (SELECT in_admin_organisation())
         OR EXISTS (SELECT FROM memberships m WHERE m.user_id = api_keys.user_id AND m.org_id = (SELECT waggle_org())));

-- B: cases, seen by their owner and by the organisations they are shared with, minus the restricted ones.
ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON cases FOR SELECT TO hive_app USING (
  (org_id = (SELECT waggle_org()) OR EXISTS (SELECT FROM case_shares s WHERE s.case_id = cases.id AND s.org_id = (SELECT waggle_org())))
  AND (access = 'organisation' OR EXISTS (SELECT FROM case_readers r WHERE r.case_id = cases.id AND r.user_id = (SELECT waggle_user()))));
CREATE POLICY make ON cases FOR INSERT TO hive_app WITH CHECK (org_id = (SELECT waggle_org()));
CREATE POLICY change ON cases FOR UPDATE TO hive_app
  USING (org_id = (SELECT waggle_org()) OR EXISTS (SELECT FROM case_shares s WHERE s.case_id = cases.id AND s.org_id = (SELECT waggle_org())));
CREATE POLICY remove ON cases FOR DELETE TO hive_app USING (org_id = (SELECT waggle_org()));

ALTER TABLE case_shares ENABLE ROW LEVEL SECURITY;
-- As a function of the owner, because a policy on case_shares that looks into cases would come back to case_shares.
CREATE FUNCTION owns_case(wanted bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$ SELECT EXISTS (SELECT FROM cases WHERE id = wanted AND org_id = waggle_org()) $$;
REVOKE ALL ON FUNCTION owns_case(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION owns_case(bigint) TO hive_app, hive_system;
CREATE POLICY own ON case_shares TO hive_app USING (org_id = (SELECT waggle_org())) WITH CHECK (owns_case(case_id));

-- C: children of a case (or of an alert); writing goes where the parent's organisation is, and only if the parent is seen.
DO $$
DECLARE t text; seen text; parent text;
BEGIN
  FOREACH t IN ARRAY ARRAY['case_tags', 'case_fields', 'case_texts', 'case_exports', 'logs', 'tasks', 'observables', 'attachments', 'jobs'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    parent := format('EXISTS (SELECT FROM cases c WHERE c.id = %I.case_id AND c.org_id = %I.org_id)', t, t);
    IF t IN ('observables', 'attachments', 'jobs') THEN
      parent := format('CASE WHEN %I.case_id IS NULL THEN %I.org_id = (SELECT waggle_org()) ELSE %s END', t, t, parent);
    END IF;
    seen := parent;
    IF t = 'tasks' THEN
      seen := format('(tasks.org_id = (SELECT waggle_org()) OR EXISTS (SELECT FROM task_shares s WHERE s.entity_id = tasks.id AND s.org_id = (SELECT waggle_org()))) AND %s', parent);
    ELSIF t = 'logs' THEN
      seen := 'EXISTS (SELECT FROM tasks k WHERE k.id = logs.task_id)';
    ELSIF t = 'observables' THEN
      seen := format('(observables.org_id = (SELECT waggle_org()) OR EXISTS (SELECT FROM observable_shares s WHERE s.entity_id = observables.id AND s.org_id = (SELECT waggle_org()))) AND %s', parent);
    ELSIF t = 'jobs' THEN
      seen := 'EXISTS (SELECT FROM observables o WHERE o.id = jobs.observable_id)';
    ELSIF t = 'attachments' THEN
      seen := format('%s AND (attachments.log_id IS NULL OR EXISTS (SELECT FROM logs l WHERE l.id = attachments.log_id))', parent);
    END IF;
    EXECUTE format('CREATE POLICY visible ON %I FOR SELECT TO hive_app USING (%s)', t, seen);
    EXECUTE format('CREATE POLICY make ON %I FOR INSERT TO hive_app WITH CHECK (%s)', t, parent);
    EXECUTE format('CREATE POLICY change ON %I FOR UPDATE TO hive_app USING (%s) WITH CHECK (%s)', t, parent, parent);
    EXECUTE format('CREATE POLICY remove ON %I FOR DELETE TO hive_app USING (%s)', t, parent);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['job_artifacts', 'verdicts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY visible ON %I TO hive_app USING (EXISTS (SELECT FROM jobs j WHERE j.id = %I.job_id AND j.org_id = %I.org_id))', t, t, t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['task_shares', 'observable_shares'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY own ON %I TO hive_app USING (org_id = (SELECT waggle_org()))', t);
  END LOOP;
END $$;

-- History is read with today's rights: a row about a case needs that case to be visible now.
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON audit FOR SELECT TO hive_app USING (
  org_id = (SELECT waggle_org()) AND (case_id IS NULL OR EXISTS (SELECT FROM cases c WHERE c.id = audit.case_id)));
CREATE POLICY write ON audit FOR INSERT TO hive_app WITH CHECK (org_id = (SELECT waggle_org()));

DO $$
DECLARE t text;
BEGIN
  FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity LOOP
    EXECUTE format('CREATE POLICY machinery ON %I TO hive_system USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;

-- Operators that are not leakproof (@@, ILIKE) cannot use an index under a policy. Their tables are therefore read through
-- views that belong to the owner and carry the organisation themselves; the row shown still passes its own policy.
REVOKE SELECT ON alert_texts, case_texts, observable_values FROM hive_app;
GRANT SELECT (entity_id, alert_id, org_id) ON alert_texts TO hive_app;
GRANT SELECT (entity_id, case_id, org_id) ON case_texts TO hive_app;
CREATE VIEW alert_search AS SELECT entity_id, kind, alert_id, title, document FROM alert_texts WHERE org_id = (SELECT waggle_org());
CREATE VIEW value_search AS SELECT value_key, data FROM observable_values WHERE org_id = (SELECT waggle_org());
-- Texts of received cases carry the owner's organisation, so this one goes by the caller's shares.
CREATE VIEW case_search AS SELECT x.entity_id, x.kind, x.case_id, x.title, x.document FROM case_texts x
  JOIN case_shares s ON s.case_id = x.case_id AND s.org_id = (SELECT waggle_org());
GRANT SELECT ON alert_search, case_search, value_search TO hive_app;
