-- Sharing writes rows of other organisations, which no policy lets hive_app touch. These functions run as the owner; each first
-- asks whether the caller's organisation may. What is derived (dates, tag rows, values) is computed anew and never taken from
-- the caller, so that calling a function with any id does no harm.

CREATE FUNCTION shares_of(wanted bigint) RETURNS SETOF case_shares LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public, pg_temp
  AS $$ SELECT s.* FROM case_shares s WHERE s.case_id = wanted AND has_case(wanted) ORDER BY s.id $$;

-- Everybody who has a case, for those who see it: a view of the owner, because case_shares shows each organisation its own rows.
CREATE VIEW visible_shares AS
  SELECT s.id, s.case_id, s.org_id, s.owner, s.task_rule, s.observable_rule, o.name AS organisation, p.name AS profile,
    c.number AS case_number, c.created_at, c.created_by
  FROM case_shares s JOIN organisations o ON o.id = s.org_id JOIN profiles p ON p.id = s.profile_id JOIN cases c ON c.id = s.case_id
  WHERE EXISTS (SELECT FROM case_shares mine WHERE mine.case_id = s.case_id AND mine.org_id = (SELECT waggle_org()))
    AND (c.access = 'organisation'
         OR EXISTS (SELECT FROM case_readers r WHERE r.case_id = c.id AND r.user_id = (SELECT waggle_user())));
GRANT SELECT ON visible_shares TO hive_app;

-- Somebody of an organisation that has the case, able to work on it: people of other organisations are not to be listed.
CREATE FUNCTION assignable_in(wanted bigint, wanted_login text, working text[]) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public, pg_temp
  AS $$ SELECT u.id FROM users u WHERE u.login = wanted_login AND NOT u.locked AND has_case(wanted) AND EXISTS (
          SELECT FROM case_shares s JOIN memberships m ON m.org_id = s.org_id AND m.user_id = u.id
          JOIN profiles p ON p.id = m.profile_id WHERE s.case_id = wanted AND p.permissions && working) $$;

-- The organisations that see an observable, each with it.
CREATE FUNCTION viewers_of_observables(ids bigint[]) RETURNS TABLE (observable_id bigint, org_id bigint) LANGUAGE sql STABLE
  AS $$ SELECT o.id, o.org_id FROM observables o WHERE o.id = ANY(ids)
        UNION SELECT s.entity_id, s.org_id FROM observable_shares s WHERE s.entity_id = ANY(ids) $$;

-- Tag rows and values by which lists of each viewer find observables.
CREATE FUNCTION index_observables(ids bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM observable_tags WHERE observable_id = ANY(ids);
  INSERT INTO observable_tags (org_id, tag, created_at, observable_id)
    SELECT v.org_id, tag, o.created_at, o.id FROM viewers_of_observables(ids) v
    JOIN observables o ON o.id = v.observable_id, unnest(o.tags) AS tag;
  INSERT INTO observable_values (org_id, value_key, data)
    SELECT DISTINCT ON (v.org_id, o.value_key) v.org_id, o.value_key, o.data FROM viewers_of_observables(ids) v
    JOIN observables o ON o.id = v.observable_id WHERE o.data IS NOT NULL ORDER BY v.org_id, o.value_key
    ON CONFLICT DO NOTHING;
END $$;

-- New tasks and observables: to whoever receives them by rule, and to the organisation that makes them in a received case.
CREATE FUNCTION spread_tasks(ids bigint[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO task_shares (entity_id, org_id)
    SELECT k.id, s.org_id FROM tasks k JOIN case_shares s ON s.case_id = k.case_id
    WHERE k.id = ANY(ids) AND NOT s.owner AND has_case(k.case_id) AND (s.task_rule = 'autoShare' OR s.org_id = waggle_org())
  ON CONFLICT DO NOTHING $$;
CREATE FUNCTION spread_observables(ids bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO observable_shares (entity_id, org_id)
    SELECT o.id, s.org_id FROM observables o JOIN case_shares s ON s.case_id = o.case_id
    WHERE o.id = ANY(ids) AND NOT s.owner AND has_case(o.case_id)
      AND (s.observable_rule = 'autoShare' OR s.org_id = waggle_org())
    ON CONFLICT DO NOTHING;
  PERFORM index_observables(ids);
END $$;

-- What a receiver gets by the rules of its share, of what is there already.
CREATE FUNCTION spread_case(wanted bigint, receiver bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO task_shares (entity_id, org_id)
    SELECT k.id, s.org_id FROM tasks k JOIN case_shares s ON s.case_id = k.case_id
    WHERE k.case_id = wanted AND s.org_id = receiver AND NOT s.owner AND s.task_rule = 'autoShare' ON CONFLICT DO NOTHING;
  INSERT INTO observable_shares (entity_id, org_id)
    SELECT o.id, s.org_id FROM observables o JOIN case_shares s ON s.case_id = o.case_id
    WHERE o.case_id = wanted AND s.org_id = receiver AND NOT s.owner AND s.observable_rule = 'autoShare' ON CONFLICT DO NOTHING;
  PERFORM index_observables(ARRAY(SELECT id FROM observables WHERE case_id = wanted));
END $$;

-- Shares a case, or changes how it is shared; the owner's own row stays as it is.
CREATE FUNCTION share_case(wanted bigint, receiver bigint, profile bigint, tasks_by text, observables_by text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT owns_case(wanted) THEN RETURN; END IF;
  INSERT INTO case_shares (case_id, org_id, owner, profile_id, task_rule, observable_rule, start_date)
    SELECT c.id, receiver, false, profile, tasks_by, observables_by, c.start_date FROM cases c WHERE c.id = wanted
    ON CONFLICT (case_id, org_id) DO UPDATE SET profile_id = profile, task_rule = tasks_by, observable_rule = observables_by
      WHERE NOT case_shares.owner;
  PERFORM spread_case(wanted, receiver);
END $$;

CREATE FUNCTION unshare_case(wanted bigint, receiver bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT owns_case(wanted) THEN RETURN false; END IF;
  DELETE FROM case_shares WHERE case_id = wanted AND org_id = receiver AND NOT owner;
  IF NOT FOUND THEN RETURN false; END IF;
  DELETE FROM task_shares s USING tasks k WHERE k.id = s.entity_id AND k.case_id = wanted AND s.org_id = receiver;
  DELETE FROM task_requests r USING tasks k WHERE k.id = r.task_id AND k.case_id = wanted AND r.org_id = receiver;
  DELETE FROM observable_shares s USING observables o WHERE o.id = s.entity_id AND o.case_id = wanted AND s.org_id = receiver;
  PERFORM index_observables(ARRAY(SELECT id FROM observables WHERE case_id = wanted));
  RETURN true;
END $$;

-- One task or observable, by hand, to an organisation that has the case.
CREATE FUNCTION share_task(wanted bigint, receiver bigint, shared boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT owns_case((SELECT case_id FROM tasks WHERE id = wanted)) THEN RETURN; END IF;
  IF shared THEN
    INSERT INTO task_shares (entity_id, org_id)
      SELECT wanted, s.org_id FROM case_shares s JOIN tasks k ON k.case_id = s.case_id
      WHERE k.id = wanted AND s.org_id = receiver AND NOT s.owner ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM task_shares WHERE entity_id = wanted AND org_id = receiver;
  END IF;
END $$;
CREATE FUNCTION share_observable(wanted bigint, receiver bigint, shared boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT owns_case((SELECT case_id FROM observables WHERE id = wanted)) THEN RETURN; END IF;
  IF shared THEN
    INSERT INTO observable_shares (entity_id, org_id)
      SELECT wanted, s.org_id FROM case_shares s JOIN observables o ON o.case_id = s.case_id
      WHERE o.id = wanted AND s.org_id = receiver AND NOT s.owner ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM observable_shares WHERE entity_id = wanted AND org_id = receiver;
  END IF;
  PERFORM index_observables(ARRAY[wanted]);
END $$;
CREATE FUNCTION receivers_of_task(wanted bigint) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public, pg_temp
  AS $$ SELECT s.org_id FROM task_shares s JOIN tasks k ON k.id = s.entity_id WHERE k.id = wanted AND has_case(k.case_id) $$;
CREATE FUNCTION receivers_of_observable(wanted bigint) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public, pg_temp
  AS $$ SELECT s.org_id FROM observable_shares s JOIN observables o ON o.id = s.entity_id
        WHERE o.id = wanted AND o.case_id IS NOT NULL AND has_case(o.case_id) $$;

-- Lists of cases are driven from shares, which carry the case's date.
CREATE FUNCTION date_shares(wanted bigint) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE case_shares s SET start_date = c.start_date FROM cases c
  WHERE c.id = wanted AND s.case_id = wanted AND has_case(wanted) AND s.start_date <> c.start_date $$;

-- Alerts of a case that goes, of whichever organisation: one that was read stays closed, one that was not is new again.
CREATE FUNCTION release_alerts(wanted bigint, at bigint, by_whom text) RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
  UPDATE alerts SET case_id = NULL, stage = CASE WHEN read THEN 'Closed' ELSE 'New' END,
    status = CASE WHEN read THEN 'Ignored' ELSE 'New' END, closed_date = CASE WHEN read THEN coalesce(closed_date, at) ELSE closed_date END,
    updated_at = at, updated_by = by_whom, version = version + 1
  WHERE case_id = wanted AND owns_case(wanted) $$;

-- A case that merged into another one: its alerts and receivers follow.
CREATE FUNCTION follow_merge(old bigint, new bigint, at bigint, by_whom text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT (owns_case(old) AND owns_case(new)) THEN RETURN; END IF;
  UPDATE alerts SET case_id = new, updated_at = at, updated_by = by_whom, version = version + 1 WHERE case_id = old;
  INSERT INTO case_shares (case_id, org_id, owner, profile_id, task_rule, observable_rule, start_date)
    SELECT new, s.org_id, false, s.profile_id, s.task_rule, s.observable_rule, s.start_date FROM case_shares s
    WHERE s.case_id = old AND NOT s.owner ON CONFLICT DO NOTHING;
  DELETE FROM case_shares WHERE case_id = old AND NOT owner;
END $$;

-- Another organisation becomes the owner of a case with all that hangs on it. `keep`: the profile the former owner keeps, if any.
CREATE FUNCTION give_case(wanted bigint, receiver bigint, keep bigint, tasks_by text, observables_by text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  former bigint := waggle_org(); owners bigint := (SELECT id FROM profiles WHERE name = 'org-admin'); t text;
BEGIN
  IF NOT owns_case(wanted) OR former = receiver THEN RETURN; END IF;
  DELETE FROM case_shares WHERE case_id = wanted AND org_id = receiver;
  UPDATE case_shares SET org_id = receiver, profile_id = owners WHERE case_id = wanted AND owner;
  UPDATE cases SET org_id = receiver WHERE id = wanted;
  FOREACH t IN ARRAY ARRAY['case_tags', 'case_fields', 'case_texts', 'case_exports', 'tasks', 'logs', 'observables', 'attachments',
                           'comments', 'pages', 'procedures', 'custom_events', 'jobs', 'actions'] LOOP
    EXECUTE format('UPDATE %I SET org_id = $1 WHERE case_id = $2', t) USING receiver, wanted;
  END LOOP;
  UPDATE job_artifacts a SET org_id = receiver FROM jobs j WHERE j.id = a.job_id AND j.case_id = wanted;
  UPDATE verdicts v SET org_id = receiver FROM jobs j WHERE j.id = v.job_id AND j.case_id = wanted;
  DELETE FROM task_shares s USING tasks k WHERE k.id = s.entity_id AND k.case_id = wanted AND s.org_id = receiver;
  DELETE FROM observable_shares s USING observables o WHERE o.id = s.entity_id AND o.case_id = wanted AND s.org_id = receiver;
  IF keep IS NOT NULL THEN
    INSERT INTO case_shares (case_id, org_id, owner, profile_id, task_rule, observable_rule, start_date)
      SELECT wanted, former, false, keep, tasks_by, observables_by, start_date FROM cases WHERE id = wanted;
    INSERT INTO task_shares SELECT id, former FROM tasks WHERE case_id = wanted ON CONFLICT DO NOTHING;
    INSERT INTO observable_shares SELECT id, former FROM observables WHERE case_id = wanted ON CONFLICT DO NOTHING;
  END IF;
  PERFORM index_observables(ARRAY(SELECT id FROM observables WHERE case_id = wanted));
END $$;

DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['shares_of(bigint)', 'assignable_in(bigint, text, text[])', 'index_observables(bigint[])', 'spread_tasks(bigint[])', 'spread_observables(bigint[])',
      'share_case(bigint, bigint, bigint, text, text)', 'unshare_case(bigint, bigint)', 'share_task(bigint, bigint, boolean)',
      'share_observable(bigint, bigint, boolean)', 'receivers_of_task(bigint)', 'receivers_of_observable(bigint)', 'date_shares(bigint)',
      'release_alerts(bigint, bigint, text)', 'follow_merge(bigint, bigint, bigint, text)',
      'give_case(bigint, bigint, bigint, text, text)', 'spread_case(bigint, bigint)', 'viewers_of_observables(bigint[])'] LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    IF f NOT IN ('spread_case(bigint, bigint)', 'viewers_of_observables(bigint[])') THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO hive_app', f);
    END IF;
  END LOOP;
END $$;
