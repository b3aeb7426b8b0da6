-- Both walls around the tables of 01_tables.sql, drawn as in the first migration.
GRANT SELECT, INSERT, UPDATE, DELETE ON comments, pages, page_templates, case_template_pages, procedures, custom_events, case_links,
  case_urls, task_requests, organisation_links TO hive_app, hive_system;
GRANT SELECT ON patterns, pattern_catalogs TO hive_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON patterns, pattern_catalogs TO hive_system;

-- A: what belongs to one organisation.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['page_templates', 'case_template_pages'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY own ON %I TO hive_app USING (org_id = (SELECT waggle_org())) WITH CHECK (org_id = (SELECT waggle_org()))', t);
  END LOOP;
END $$;
ALTER TABLE organisation_links ENABLE ROW LEVEL SECURITY;
CREATE POLICY linked ON organisation_links TO hive_app
  USING (org_id = (SELECT waggle_org()) OR (SELECT in_admin_organisation())) WITH CHECK ((SELECT in_admin_organisation()));

-- C: children of a case or of an alert: where the parent is seen, and in the parent's organisation.
DO $$
DECLARE t text; parent text;
BEGIN
  FOREACH t IN ARRAY ARRAY['comments', 'procedures', 'pages', 'custom_events'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    parent := format('EXISTS (SELECT FROM cases c WHERE c.id = %I.case_id AND c.org_id = %I.org_id)', t, t);
    IF t IN ('comments', 'procedures') THEN
      parent := format('CASE WHEN %I.case_id IS NULL THEN %I.org_id = (SELECT waggle_org()) ELSE %s END', t, t, parent);
    END IF;
    EXECUTE format('CREATE POLICY visible ON %I TO hive_app USING (%s) WITH CHECK (%s)', t, parent, parent);
  END LOOP;
END $$;
ALTER TABLE case_urls ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON case_urls TO hive_app USING (EXISTS (SELECT FROM cases c WHERE c.id = case_urls.case_id));
ALTER TABLE case_links ENABLE ROW LEVEL SECURITY;
-- Made only between two cases one sees; seen, and removed, from either end.
CREATE POLICY visible ON case_links TO hive_app
  USING (EXISTS (SELECT FROM cases c WHERE c.id IN (case_links.a_id, case_links.b_id)))
  WITH CHECK (EXISTS (SELECT FROM cases c WHERE c.id = case_links.a_id) AND EXISTS (SELECT FROM cases c WHERE c.id = case_links.b_id));
ALTER TABLE task_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON task_requests TO hive_app USING (EXISTS (SELECT FROM tasks k WHERE k.id = task_requests.task_id));

-- Who may see a restricted case. As a function of the owner, because the policy of cases looks into this table.
CREATE FUNCTION has_case(wanted bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$ SELECT EXISTS (SELECT FROM case_shares WHERE case_id = wanted AND org_id = waggle_org()) $$;
REVOKE ALL ON FUNCTION has_case(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION has_case(bigint) TO hive_app, hive_system;
ALTER TABLE case_readers ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON case_readers TO hive_app
  USING (user_id = (SELECT waggle_user()) OR has_case(case_id)) WITH CHECK (has_case(case_id));

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['comments', 'procedures', 'pages', 'custom_events', 'page_templates', 'case_template_pages',
                           'organisation_links', 'case_urls', 'case_links', 'task_requests', 'case_readers'] LOOP
    EXECUTE format('CREATE POLICY machinery ON %I TO hive_system USING (true) WITH CHECK (true)', t);
  END LOOP;
END $$;
