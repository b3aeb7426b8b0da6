CREATE TABLE cortex_servers (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  name text NOT NULL UNIQUE,
  kind text NOT NULL CHECK (kind IN ('bus', 'rest')),
  url text, sealed_key bytea,
  organisations text[] NOT NULL DEFAULT '{}',
  state jsonb NOT NULL DEFAULT '{}',
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  CHECK (kind = 'bus' OR (url IS NOT NULL AND sealed_key IS NOT NULL))
);
COMMENT ON COLUMN cortex_servers.organisations IS 'names of the organisations that may use it; empty: all';

CREATE TABLE workers (
  server_id bigint NOT NULL REFERENCES cortex_servers ON DELETE CASCADE,
  worker_id text NOT NULL,
  name text NOT NULL, version text NOT NULL, description text NOT NULL DEFAULT '',
  kind text NOT NULL CHECK (kind IN ('analyzer', 'responder')),
  data_types text[] NOT NULL DEFAULT '{}',
  max_tlp text, max_pap text,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (server_id, worker_id)
);

CREATE TABLE jobs (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  observable_id bigint NOT NULL REFERENCES observables ON DELETE CASCADE,
  case_id bigint REFERENCES cases ON DELETE CASCADE,
  alert_id bigint REFERENCES alerts ON DELETE CASCADE,
  server text NOT NULL,
  worker_id text NOT NULL, worker_name text NOT NULL, definition text NOT NULL,
  status text NOT NULL CHECK (status IN ('Waiting', 'InProgress', 'Success', 'Failure', 'Deleted')),
  cortex_job_id text,
  parameters jsonb NOT NULL DEFAULT '{}',
  start_date bigint NOT NULL, end_date bigint,
  error text, operations jsonb NOT NULL DEFAULT '[]',
  attempts integer NOT NULL DEFAULT 0,
  next_poll_at timestamptz,
  report json, report_sha256 bytea REFERENCES blobs,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
COMMENT ON COLUMN jobs.report IS 'json, not jsonb: a report may hold the escape \u0000';
CREATE INDEX jobs_observable ON jobs (observable_id, id);
CREATE UNIQUE INDEX jobs_cortex ON jobs (server, cortex_job_id, id) WHERE cortex_job_id IS NOT NULL;
CREATE INDEX jobs_poll ON jobs (next_poll_at) WHERE next_poll_at IS NOT NULL AND status IN ('Waiting', 'InProgress');
CREATE INDEX jobs_list ON jobs (org_id, id DESC);

CREATE TABLE job_artifacts (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  job_id bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
  data_type text NOT NULL, data text,
  sha256 bytea REFERENCES blobs, file_name text, content_type text, size bigint,
  tlp text NOT NULL DEFAULT 'AMBER', tags text[] NOT NULL DEFAULT '{}', message text,
  CHECK (num_nonnulls(data, sha256) = 1)
);
CREATE INDEX job_artifacts_job ON job_artifacts (job_id, id);

CREATE TABLE verdicts (
  job_id bigint NOT NULL REFERENCES jobs ON DELETE CASCADE,
  observable_id bigint NOT NULL REFERENCES observables ON DELETE CASCADE,
  org_id bigint NOT NULL,
  analyzer text NOT NULL,
  level text NOT NULL CHECK (level IN ('info', 'safe', 'suspicious', 'malicious')),
  namespace text NOT NULL, predicate text NOT NULL, value text NOT NULL
);
CREATE INDEX verdicts_search ON verdicts (org_id, namespace, predicate, left(value, 200));
CREATE INDEX verdicts_observable ON verdicts (observable_id);
CREATE INDEX verdicts_job ON verdicts (job_id);

CREATE TABLE misp_instances (
  name text PRIMARY KEY,
  url text NOT NULL, purpose text NOT NULL, status text NOT NULL, server_version text,
  last_ok bigint, last_error text,
  told_at bigint NOT NULL
);
COMMENT ON TABLE misp_instances IS 'what the connector last told about its instances; told_at (ms) guards against older news';

CREATE TABLE case_exports (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  instance text NOT NULL,
  event_uuid uuid NOT NULL, event_id text,
  state text NOT NULL CHECK (state IN ('requested', 'running', 'done', 'partial', 'failed')),
  requested_by text NOT NULL, requested_at bigint NOT NULL, finished_at bigint, result jsonb,
  UNIQUE (case_id, instance)
);
