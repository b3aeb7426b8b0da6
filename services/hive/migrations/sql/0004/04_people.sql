-- What managing people needs to know and do across organisations; each function checks the caller of the transaction by itself.
CREATE FUNCTION manages_people_of(org bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM memberships m JOIN profiles p ON p.id = m.profile_id JOIN organisations o ON o.id = m.org_id
    WHERE m.user_id = waggle_user() AND 'manageUser' = ANY(p.permissions) AND (m.org_id = org OR o.name = 'admin')) $$;

-- All organisations of a user, for whoever is about to change that: more than row-level security shows.
CREATE FUNCTION organisations_of(wanted bigint) RETURNS TABLE (org_id bigint, name text, profile text, permissions text[])
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT m.org_id, o.name, p.name, p.permissions FROM memberships m JOIN organisations o ON o.id = m.org_id
    JOIN profiles p ON p.id = m.profile_id WHERE m.user_id = wanted ORDER BY m.position, m.org_id $$;

-- Memberships as they shall be: [{org_id, profile_id, position}]. Refuses what the caller does not manage.
CREATE FUNCTION replace_memberships(wanted bigint, rows jsonb) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (
    WITH new AS (SELECT r.org_id, r.profile_id FROM jsonb_to_recordset(rows) AS r(org_id bigint, profile_id bigint)),
    changed AS (SELECT coalesce(n.org_id, m.org_id) AS org_id FROM new n
      FULL JOIN (SELECT * FROM memberships WHERE user_id = wanted) m ON m.org_id = n.org_id
      WHERE n.profile_id IS DISTINCT FROM m.profile_id)
    SELECT FROM changed WHERE NOT manages_people_of(changed.org_id))
  THEN RAISE EXCEPTION 'not a manager of all these organisations' USING ERRCODE = 'insufficient_privilege'; END IF;
  DELETE FROM memberships WHERE user_id = wanted;
  INSERT INTO memberships (user_id, org_id, profile_id, position)
    SELECT wanted, r.org_id, r.profile_id, r.position FROM jsonb_to_recordset(rows) AS r(org_id bigint, profile_id bigint, position integer);
  DELETE FROM sessions s WHERE s.user_id = wanted
    AND NOT EXISTS (SELECT FROM memberships m WHERE m.user_id = wanted AND m.org_id = s.org_id);
  DELETE FROM api_keys k WHERE k.user_id = wanted AND k.org_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM memberships m WHERE m.user_id = wanted AND m.org_id = k.org_id);
END $$;

-- Takes a user out of one organisation, or away altogether (org null). Open work goes to `heir` where that user is a member, else to nobody.
CREATE FUNCTION remove_user(wanted bigint, org bigint, heir bigint) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE orgs bigint[];
BEGIN
  SELECT coalesce(array_agg(org_id), '{}') INTO orgs FROM memberships WHERE user_id = wanted AND (org IS NULL OR org_id = org);
  IF EXISTS (SELECT FROM unnest(orgs) AS o WHERE NOT manages_people_of(o)) OR NOT manages_people_of(waggle_org()) THEN
    RAISE EXCEPTION 'not a manager of all these organisations' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE alerts SET assignee_id = (SELECT m.user_id FROM memberships m WHERE m.user_id = heir AND m.org_id = alerts.org_id)
    WHERE assignee_id = wanted AND org_id = ANY(orgs);
  UPDATE cases SET assignee_id = (SELECT m.user_id FROM memberships m WHERE m.user_id = heir AND m.org_id = cases.org_id)
    WHERE assignee_id = wanted AND org_id = ANY(orgs);
  UPDATE tasks SET assignee_id = (SELECT m.user_id FROM memberships m WHERE m.user_id = heir AND m.org_id = tasks.org_id)
    WHERE assignee_id = wanted AND org_id = ANY(orgs);
  DELETE FROM memberships WHERE user_id = wanted AND org_id = ANY(orgs);
  IF NOT EXISTS (SELECT FROM memberships WHERE user_id = wanted) THEN
    DELETE FROM users WHERE id = wanted;
  ELSE
    DELETE FROM sessions WHERE user_id = wanted AND org_id = ANY(orgs);
    DELETE FROM api_keys WHERE user_id = wanted AND org_id = ANY(orgs);
    UPDATE users SET default_org_id = NULL WHERE id = wanted AND default_org_id = ANY(orgs);
  END IF;
END $$;

-- Whether somebody else could still administrate the platform.
CREATE FUNCTION another_administrator(than bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM memberships m JOIN organisations o ON o.id = m.org_id AND o.name = 'admin'
    JOIN profiles p ON p.id = m.profile_id AND 'manageUser' = ANY(p.permissions)
    JOIN users u ON u.id = m.user_id AND NOT u.locked WHERE m.user_id <> than) $$;
CREATE FUNCTION profile_used(wanted bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM memberships WHERE profile_id = wanted) OR EXISTS (SELECT FROM case_shares WHERE profile_id = wanted) $$;
-- Sessions are out of hive_app's reach; these are one's own, or those of somebody one manages everywhere.
CREATE FUNCTION sessions_of(wanted bigint) RETURNS TABLE (id text, org_id bigint, created_at timestamptz, seen_at timestamptz,
    expires_at timestamptz, address text, agent text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT encode(substring(id_hash FROM 1 FOR 8), 'hex'), s.org_id, s.created_at, s.seen_at, s.expires_at, s.address, s.agent
  FROM sessions s WHERE s.user_id = wanted AND s.expires_at > now()
    AND (wanted = waggle_user() OR (manages_people_of(waggle_org())
      AND NOT EXISTS (SELECT FROM memberships m WHERE m.user_id = wanted AND NOT manages_people_of(m.org_id))))
  ORDER BY s.seen_at DESC $$;
CREATE FUNCTION close_sessions(wanted bigint, session text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE closed bigint;
BEGIN
  DELETE FROM sessions s WHERE s.user_id = wanted
    AND (session IS NULL OR encode(substring(id_hash FROM 1 FOR 8), 'hex') = session)
    AND EXISTS (SELECT FROM sessions_of(wanted) x WHERE x.id = encode(substring(s.id_hash FROM 1 FOR 8), 'hex'));
  GET DIAGNOSTICS closed = ROW_COUNT;
  RETURN closed;
END $$;
DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['manages_people_of(bigint)', 'organisations_of(bigint)', 'replace_memberships(bigint, jsonb)',
      'remove_user(bigint, bigint, bigint)', 'another_administrator(bigint)', 'profile_used(bigint)', 'sessions_of(bigint)',
      'close_sessions(bigint, text)'] LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO hive_app, hive_system', f);
  END LOOP;
END $$;
