-- Whether somebody on the bus is to hear of the job. It is on the job's own row, so that who ends the job reads its newest value
-- under the row's lock: a request that is tied to the job a moment before it ends is answered.
ALTER TABLE jobs ADD COLUMN announced boolean NOT NULL DEFAULT false;
UPDATE jobs SET announced = true WHERE id IN (SELECT job_id FROM job_requests);

-- Rates: whose jobs are counted together (a base configuration stands for one account somewhere), and when a job's turn is.
ALTER TABLE jobs ADD COLUMN rate_bucket text, ADD COLUMN due_at bigint;
CREATE INDEX jobs_by_rate_bucket ON jobs (org_id, rate_bucket, due_at DESC) WHERE rate_bucket IS NOT NULL;

-- An artifact's file and the artifact are written in one statement, which must know the file's id beforehand.
GRANT USAGE ON SEQUENCE attachments_id_seq TO cortex_system;

-- What an analyzer's flavor says it calls: "none", a list of hosts, or nothing.
ALTER TABLE definitions ADD COLUMN network jsonb;

-- The analyzers' many ways to say good or bad, in one: level, confidence in percent, and when the value was seen.
ALTER TABLE reports ADD COLUMN verdict jsonb;

-- Nobody wants the answer any more after this time, in ms.
ALTER TABLE jobs ADD COLUMN deadline bigint;
CREATE INDEX jobs_by_deadline ON jobs (deadline) WHERE deadline IS NOT NULL AND status = 'Waiting';

-- Retention looks for old jobs, and for contents that nothing names any more.
CREATE INDEX jobs_by_age ON jobs (created_at);
CREATE INDEX attachments_by_blob ON attachments (sha256);
CREATE INDEX reports_by_blob ON reports (full_sha256) WHERE full_sha256 IS NOT NULL;
GRANT UPDATE (created_at) ON blobs TO cortex_app;

-- Long polls of web pages: how far each has read. Cursors are the last row of `audit` and the last moment (ms) of `jobs` it was shown.
CREATE TABLE streams (
  id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9]{10}$'),
  org_id text NOT NULL REFERENCES organisations,
  audit_id bigint NOT NULL,
  jobs_until bigint NOT NULL,
  read_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX streams_by_reading ON streams (read_at);
CREATE INDEX jobs_by_change ON jobs (org_id, greatest(created_at, coalesce(updated_at, 0)));
GRANT SELECT, INSERT, UPDATE, DELETE ON streams TO cortex_app, cortex_system;
ALTER TABLE streams ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON streams TO cortex_app USING (org_id = (SELECT waggle_org())) WITH CHECK (org_id = (SELECT waggle_org()));
CREATE POLICY machinery ON streams TO cortex_system USING (true) WITH CHECK (true);
