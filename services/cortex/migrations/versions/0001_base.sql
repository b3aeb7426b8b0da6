-- The organisation of the transaction's scope; null outside of one, and then no tenant row is visible.
CREATE FUNCTION waggle_org() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('waggle.org', true), '') $$;

-- People ------------------------------------------------------------------------------------------------------------

CREATE TABLE organisations (
  id text PRIMARY KEY,                      -- the name: the API knows no other id
  description text NOT NULL,
  status text NOT NULL CHECK (status IN ('Active', 'Locked')),
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text,
  version int NOT NULL DEFAULT 1
);

CREATE TABLE users (
  login text PRIMARY KEY,
  org_id text NOT NULL REFERENCES organisations,
  name text NOT NULL,
  roles text[] NOT NULL,
  status text NOT NULL CHECK (status IN ('Ok', 'Locked')),
  password_hash text,
  avatar text,
  preferences text NOT NULL DEFAULT '{}',
  credentials_epoch int NOT NULL DEFAULT 0,  -- raised when credentials change: empties the verification caches
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text,
  version int NOT NULL DEFAULT 1
);
CREATE INDEX users_by_org ON users (org_id, login);

CREATE TABLE api_keys (
  login text PRIMARY KEY REFERENCES users ON DELETE CASCADE,   -- the API knows one key per user
  org_id text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  sealed bytea NOT NULL,                    -- `GET /api/user/:id/key` shows the key again
  created_at bigint NOT NULL,
  created_by text NOT NULL
);

CREATE TABLE sessions (
  id_hash bytea PRIMARY KEY,
  login text NOT NULL REFERENCES users ON DELETE CASCADE,
  credentials_epoch int NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_login ON sessions (login);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Whose requests on the bus are served as whom (architecture, "Who may say what"). What has no row is refused.
CREATE TABLE service_links (
  sender text NOT NULL,
  organisation text NOT NULL,               -- as the sender names it
  org_id text NOT NULL REFERENCES organisations,
  login text NOT NULL REFERENCES users ON DELETE CASCADE,
  PRIMARY KEY (sender, organisation)
);

-- Workers -----------------------------------------------------------------------------------------------------------

CREATE TABLE definitions (
  id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('analyzer', 'responder')),
  name text NOT NULL,
  flavor_version text NOT NULL,
  description text NOT NULL DEFAULT '',
  author text NOT NULL DEFAULT '',
  url text NOT NULL DEFAULT '',
  license text NOT NULL DEFAULT '',
  data_types text[] NOT NULL DEFAULT '{}',
  command text,                             -- absolute
  root text,                                -- the folder commands are relative to; a process' working directory
  docker_image text,
  base_config text,
  config jsonb NOT NULL DEFAULT '{}',
  items jsonb NOT NULL DEFAULT '[]',
  source text NOT NULL,                     -- the file it was read from
  readable_error text,                      -- why it cannot be enabled or run, for the operator
  seen_at timestamptz NOT NULL,
  gone_at timestamptz,
  PRIMARY KEY (kind, id)
);

CREATE TABLE workers (
  id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
  org_id text NOT NULL REFERENCES organisations,
  definition_id text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('analyzer', 'responder')),
  flavor_version text NOT NULL,
  description text NOT NULL, author text NOT NULL, url text NOT NULL, license text NOT NULL,
  data_types text[] NOT NULL,
  command text,
  root text,
  docker_image text,
  base_config text NOT NULL,
  config_sealed bytea NOT NULL,             -- JSON, in the secret box
  public_config jsonb NOT NULL,             -- the same with its secrets masked
  max_tlp text CHECK (max_tlp IN ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  max_pap text CHECK (max_pap IN ('CLEAR', 'GREEN', 'AMBER', 'RED')),
  rate int CHECK (rate >= 0),
  rate_unit text CHECK (rate_unit IN ('Second', 'Minute', 'Hour', 'Day', 'Month')),
  cache_minutes int CHECK (cache_minutes >= 0),
  timeout_minutes int CHECK (timeout_minutes >= 0),
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text,
  version int NOT NULL DEFAULT 1,
  UNIQUE (org_id, name, kind)
);

CREATE TABLE base_configs (
  org_id text NOT NULL REFERENCES organisations,
  kind text NOT NULL CHECK (kind IN ('analyzer', 'responder')),
  name text NOT NULL,
  config_sealed bytea NOT NULL,
  public_config jsonb NOT NULL,
  PRIMARY KEY (org_id, kind, name)
);

-- Files -------------------------------------------------------------------------------------------------------------

CREATE TABLE blobs (
  sha256 bytea PRIMARY KEY,
  sha1 bytea NOT NULL,
  md5 bytea NOT NULL,
  size bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE attachments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL REFERENCES organisations,
  sha256 bytea NOT NULL REFERENCES blobs,
  name text NOT NULL,
  content_type text NOT NULL
);
CREATE INDEX attachments_by_content ON attachments (org_id, sha256);

-- Jobs --------------------------------------------------------------------------------------------------------------

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  org_id text NOT NULL REFERENCES organisations,
  worker_id text NOT NULL,
  worker_name text NOT NULL,
  definition_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('analyzer', 'responder')),
  status text NOT NULL CHECK (status IN ('Waiting', 'InProgress', 'Success', 'Failure', 'Deleted')),
  data_type text NOT NULL,
  data text,                                -- a responder's is JSON text
  attachment_id bigint REFERENCES attachments,
  tlp text NOT NULL CHECK (tlp IN ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  pap text NOT NULL CHECK (pap IN ('CLEAR', 'GREEN', 'AMBER', 'RED')),
  message text NOT NULL DEFAULT '',
  label text,
  parameters jsonb NOT NULL DEFAULT '{}',
  cache_tag bytea NOT NULL,
  reusable boolean NOT NULL,                -- an equal request may be answered with this job
  start_date bigint,
  end_date bigint,
  error_message text,
  input jsonb,                              -- what the worker was given, without its secrets; on failure only
  priority int NOT NULL DEFAULT 0,
  attempt int NOT NULL DEFAULT 0,           -- leases taken so far; finishing is guarded by it
  losses int NOT NULL DEFAULT 0,            -- leases that ran out; the third ends the job
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text,
  version int NOT NULL DEFAULT 1,
  CHECK (data IS NULL OR attachment_id IS NULL)
);
CREATE INDEX jobs_newest ON jobs (org_id, created_at DESC, id);
CREATE INDEX jobs_by_status ON jobs (org_id, status, created_at DESC);
CREATE INDEX jobs_by_worker ON jobs (org_id, worker_id, created_at DESC);
CREATE INDEX jobs_by_data ON jobs USING hash (data);   -- values may be longer than a B-tree entry
CREATE INDEX jobs_by_attachment ON jobs (attachment_id) WHERE attachment_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_reusable ON jobs (org_id, cache_tag) WHERE reusable;

-- One row per request on the bus: several equal requests may share a job, and every one gets its answer.
CREATE TABLE job_requests (
  sender text NOT NULL,
  request_id text NOT NULL,                 -- the sender's own id of its job
  organisation text NOT NULL,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  message_id uuid NOT NULL,
  trace text NOT NULL,                      -- the request id that led to it, kept across messages
  org_id text NOT NULL,
  from_cache boolean NOT NULL,
  PRIMARY KEY (sender, organisation, request_id)
);
CREATE INDEX job_requests_by_job ON job_requests (job_id);

CREATE TABLE dispatch (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  org_id text NOT NULL,
  worker_id text NOT NULL,
  priority int NOT NULL,
  not_before timestamptz NOT NULL DEFAULT now(),
  enqueued_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX dispatch_due ON dispatch (org_id, priority DESC, enqueued_at, job_id);

CREATE TABLE leases (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  org_id text NOT NULL,
  runner text NOT NULL,
  attempt int NOT NULL,
  beat_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX leases_by_expiry ON leases (expires_at);

-- What runner and services have to tell the world. They know no broker: they write a row in the transaction of the change, and
-- the service turns the row into messages in its outbox, in one transaction too.
CREATE TABLE announcements (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  what text NOT NULL CHECK (what IN ('started', 'ended', 'catalog')),
  job_id uuid REFERENCES jobs ON DELETE CASCADE,
  org_id text REFERENCES organisations,
  CHECK ((what = 'catalog') = (job_id IS NULL)),
  CHECK ((what = 'catalog') = (org_id IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE reports (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  org_id text NOT NULL,
  summary jsonb NOT NULL,
  "full" jsonb,                             -- or, when large, the blob that holds it
  full_sha256 bytea REFERENCES blobs,
  operations jsonb NOT NULL,
  CHECK (("full" IS NULL) <> (full_sha256 IS NULL))
);

CREATE TABLE artifacts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  data_type text NOT NULL,
  data text,
  attachment_id bigint REFERENCES attachments,
  tlp text NOT NULL CHECK (tlp IN ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  tags text[] NOT NULL,
  message text,
  CHECK ((data IS NULL) <> (attachment_id IS NULL))
);
CREATE INDEX artifacts_by_job ON artifacts (job_id, id);
CREATE INDEX artifacts_by_attachment ON artifacts (attachment_id) WHERE attachment_id IS NOT NULL;

-- Why a job went the way it did, for the operator.
CREATE TABLE job_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  at bigint NOT NULL,
  what text NOT NULL,
  detail text NOT NULL
);
CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at bigint NOT NULL,
  org_id text NOT NULL,
  request_id text,
  action text NOT NULL CHECK (action IN ('create', 'update', 'delete')),
  kind text NOT NULL,
  object_id text NOT NULL,
  actor text NOT NULL,
  details jsonb NOT NULL                    -- the changed fields, never a secret
);
CREATE INDEX audit_by_object ON audit (org_id, kind, object_id, id);

-- Rights: the second wall ----------------------------------------------------------------------------------------------

-- Users of the organisation `cortex` administer people and organisations; jobs and workers they do not see.
CREATE FUNCTION waggle_administers() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT current_setting('waggle.org', true) = 'cortex' $$;

GRANT SELECT, INSERT, UPDATE ON organisations, users TO cortex_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO cortex_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO cortex_app;
GRANT SELECT, INSERT, UPDATE ON base_configs TO cortex_app;
GRANT SELECT ON definitions, service_links TO cortex_app;
GRANT SELECT, INSERT ON blobs, attachments TO cortex_app;
GRANT SELECT, INSERT, DELETE ON job_requests TO cortex_app;
GRANT SELECT, INSERT, UPDATE ON jobs TO cortex_app;
GRANT SELECT, INSERT, DELETE ON dispatch TO cortex_app;
GRANT SELECT, DELETE ON leases TO cortex_app;
GRANT INSERT ON announcements TO cortex_app;
GRANT SELECT ON reports, artifacts TO cortex_app;
GRANT SELECT, INSERT ON job_events, audit TO cortex_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cortex_system;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['workers', 'base_configs', 'attachments', 'jobs', 'job_requests', 'dispatch', 'leases',
                              'reports', 'artifacts', 'job_events'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own ON %I TO cortex_app USING (org_id = (SELECT waggle_org())) '
                   'WITH CHECK (org_id = (SELECT waggle_org()))', name);
    EXECUTE format('CREATE POLICY machinery ON %I TO cortex_system USING (true) WITH CHECK (true)', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['users', 'api_keys', 'audit'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own ON %I TO cortex_app '
                   'USING (org_id = (SELECT waggle_org()) OR (SELECT waggle_administers())) '
                   'WITH CHECK (org_id = (SELECT waggle_org()) OR (SELECT waggle_administers()))', name);
    EXECUTE format('CREATE POLICY machinery ON %I TO cortex_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;

ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON organisations TO cortex_app
  USING (id = (SELECT waggle_org()) OR (SELECT waggle_administers())) WITH CHECK ((SELECT waggle_administers()));
CREATE POLICY machinery ON organisations TO cortex_system USING (true) WITH CHECK (true);
ALTER TABLE service_links ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON service_links TO cortex_app USING (org_id = (SELECT waggle_org()));
CREATE POLICY machinery ON service_links TO cortex_system USING (true) WITH CHECK (true);

-- The home of the superadmins is there from the beginning.
INSERT INTO organisations (id, description, status, created_at, created_by)
VALUES ('cortex', 'Default organization', 'Active', (extract(epoch FROM now()) * 1000)::bigint, 'system');
