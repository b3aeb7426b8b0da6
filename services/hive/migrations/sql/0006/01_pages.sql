-- A page of observables asks for the case of a few rows, a count for the cases of millions. Left to itself the database reads all
-- cases first in both, because it judges the policy without regard to the page's limit. Lists say which of the two it is.
CREATE FUNCTION waggle_page() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT current_setting('waggle.page', true) = 'on' $$;
ALTER POLICY visible ON observables USING (
  (org_id = (SELECT waggle_org())
   OR EXISTS (SELECT FROM observable_shares s WHERE s.entity_id = observables.id AND s.org_id = (SELECT waggle_org())))
  AND CASE
    WHEN case_id IS NULL THEN org_id = (SELECT waggle_org())
    WHEN (SELECT waggle_page()) THEN coalesce((SELECT true FROM cases c WHERE c.id = observables.case_id AND c.org_id = observables.org_id), false)
    ELSE EXISTS (SELECT FROM cases c WHERE c.id = observables.case_id AND c.org_id = observables.org_id) END);
DROP INDEX observables_sighted;
CREATE INDEX observables_sighted ON observables (org_id, created_at DESC, id DESC) INCLUDE (case_id) WHERE sighted;
-- An organisation that received no case reads its own ones by these alone.
CREATE INDEX cases_date ON cases (org_id, start_date DESC, id DESC) INCLUDE (access, merged_into, severity);
DROP INDEX cases_status;
CREATE INDEX cases_status ON cases (org_id, status, start_date DESC, id DESC) INCLUDE (access, merged_into);
DROP INDEX cases_assignee;
CREATE INDEX cases_assignee ON cases (org_id, assignee_id, start_date DESC, id DESC) INCLUDE (access, merged_into, status);
CREATE INDEX case_shares_received ON case_shares (org_id) WHERE NOT owner;
