-- Runs of responders. Like jobs, with the object they were started on; the columns of its kind and of its parents are set, so
-- that an action goes with any of them.
CREATE TABLE actions (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  object_kind text NOT NULL CHECK (object_kind IN ('alert', 'case', 'case_task', 'case_task_log', 'case_artifact')),
  object_id bigint NOT NULL,
  case_id bigint REFERENCES cases ON DELETE CASCADE,
  alert_id bigint REFERENCES alerts ON DELETE CASCADE,
  task_id bigint REFERENCES tasks ON DELETE CASCADE,
  log_id bigint REFERENCES logs ON DELETE CASCADE,
  observable_id bigint REFERENCES observables ON DELETE CASCADE,
  tlp text NOT NULL, pap text NOT NULL,
  server text NOT NULL,
  worker_id text NOT NULL, worker_name text NOT NULL, definition text NOT NULL,
  status text NOT NULL CHECK (status IN ('Waiting', 'InProgress', 'Success', 'Failure', 'Deleted')),
  cortex_job_id text,
  parameters jsonb NOT NULL DEFAULT '{}',
  start_date bigint NOT NULL, end_date bigint,
  error text, operations jsonb NOT NULL DEFAULT '[]',
  attempts integer NOT NULL DEFAULT 0, failures integer NOT NULL DEFAULT 0,
  next_poll_at timestamptz,
  asking_org_id bigint NOT NULL,
  report json, report_sha256 bytea REFERENCES blobs,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  CHECK (num_nonnulls(case_id, alert_id) >= 1)
);
COMMENT ON COLUMN actions.report IS 'json, not jsonb: a report may hold the escape \u0000';
COMMENT ON COLUMN actions.asking_org_id IS 'for which organisation it was asked; org_id is that of the object';
COMMENT ON COLUMN actions.failures IS 'calls of a remote Cortex that failed, in a row';
CREATE INDEX actions_object ON actions (object_id, id);
CREATE INDEX actions_list ON actions (org_id, id DESC);
CREATE INDEX actions_poll ON actions (next_poll_at) WHERE next_poll_at IS NOT NULL AND status IN ('Waiting', 'InProgress');
CREATE INDEX actions_case ON actions (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX actions_alert ON actions (alert_id) WHERE alert_id IS NOT NULL;
CREATE INDEX actions_task ON actions (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX actions_log ON actions (log_id) WHERE log_id IS NOT NULL;
CREATE INDEX actions_observable ON actions (observable_id) WHERE observable_id IS NOT NULL;

ALTER TABLE jobs ADD COLUMN failures integer NOT NULL DEFAULT 0, ADD COLUMN asking_org_id bigint;
UPDATE jobs SET asking_org_id = org_id;
ALTER TABLE jobs ALTER COLUMN asking_org_id SET NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON actions TO hive_app, hive_system;
ALTER TABLE actions ENABLE ROW LEVEL SECURITY;
CREATE POLICY machinery ON actions TO hive_system USING (true) WITH CHECK (true);
-- Whoever sees the object sees what was done with it; writing stays with the organisation of the object.
CREATE POLICY visible ON actions TO hive_app USING (
  CASE object_kind
    WHEN 'alert' THEN EXISTS (SELECT FROM alerts a WHERE a.id = actions.object_id)
    WHEN 'case' THEN EXISTS (SELECT FROM cases c WHERE c.id = actions.object_id)
    WHEN 'case_task' THEN EXISTS (SELECT FROM tasks t WHERE t.id = actions.object_id)
    WHEN 'case_task_log' THEN EXISTS (SELECT FROM logs l WHERE l.id = actions.object_id)
    ELSE EXISTS (SELECT FROM observables o WHERE o.id = actions.object_id) END)
  WITH CHECK (CASE WHEN case_id IS NULL THEN org_id = (SELECT waggle_org())
                   ELSE EXISTS (SELECT FROM cases c WHERE c.id = actions.case_id AND c.org_id = actions.org_id) END);

-- User 0 is the platform itself, acting for an organisation: the end of a job on a restricted case must reach that case, too.
ALTER POLICY visible ON cases USING (
  (org_id = (SELECT waggle_org()) OR EXISTS (SELECT FROM case_shares s WHERE s.case_id = cases.id AND s.org_id = (SELECT waggle_org())))
  AND (access = 'organisation' OR (SELECT waggle_user()) = 0
       OR EXISTS (SELECT FROM case_readers r WHERE r.case_id = cases.id AND r.user_id = (SELECT waggle_user()))));
