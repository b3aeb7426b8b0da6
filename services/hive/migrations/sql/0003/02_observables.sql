ALTER TABLE observables ADD COLUMN external boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN observables.external IS 'shown to external people who have the case';

ALTER TABLE job_artifacts ADD COLUMN imported_id bigint REFERENCES observables ON DELETE SET NULL;
COMMENT ON COLUMN job_artifacts.imported_id IS 'the observable an analyst (or the report''s own wish) made of it';
CREATE INDEX job_artifacts_imported ON job_artifacts (imported_id) WHERE imported_id IS NOT NULL;
-- Files that reports found may be downloaded by whoever sees the job.
CREATE INDEX job_artifacts_sha256 ON job_artifacts (sha256) WHERE sha256 IS NOT NULL;
