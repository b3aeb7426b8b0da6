-- Words of analysis reports. A row per job, gone with it; which alert or case it belongs to is the job's to say.
CREATE TABLE report_texts (
  job_id bigint PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  document tsvector NOT NULL
);
CREATE INDEX report_texts_document ON report_texts USING gin (document) WITH (gin_pending_list_limit = 32768);
INSERT INTO report_texts SELECT id, search_document(concat_ws(' ', worker_name, error, CAST(report AS text))) FROM jobs;

ALTER TABLE report_texts ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON report_texts TO hive_app USING (EXISTS (SELECT FROM jobs j WHERE j.id = report_texts.job_id));
CREATE POLICY machinery ON report_texts TO hive_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON report_texts TO hive_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON report_texts TO hive_system;

-- As alert_search and case_search: the owner's, with the organisation in it; the job that is shown still passes its own policy.
CREATE VIEW report_search AS SELECT x.job_id, j.observable_id, x.document FROM report_texts x JOIN jobs j ON j.id = x.job_id
  WHERE j.org_id = (SELECT waggle_org())
     OR EXISTS (SELECT FROM case_shares s WHERE s.case_id = j.case_id AND s.org_id = (SELECT waggle_org()));
GRANT SELECT ON report_search TO hive_app;
