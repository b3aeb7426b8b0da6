-- One table for alerts and cases: similarity, duplicates and jobs are the same for both.
CREATE TABLE observables (
  id bigint DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  alert_id bigint REFERENCES alerts ON DELETE CASCADE,
  case_id bigint REFERENCES cases ON DELETE CASCADE,
  parent_id bigint NOT NULL GENERATED ALWAYS AS (coalesce(alert_id, case_id)) STORED,
  data_type text NOT NULL,
  data text,
  value_key uuid NOT NULL,
  sha256 bytea REFERENCES blobs, file_name text, content_type text, attachment_id bigint,
  tlp text NOT NULL DEFAULT 'AMBER' CHECK (tlp IN ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  pap text NOT NULL DEFAULT 'AMBER' CHECK (pap IN ('CLEAR', 'GREEN', 'AMBER', 'RED')),
  ioc boolean NOT NULL DEFAULT false, sighted boolean NOT NULL DEFAULT false, ignore_similarity boolean NOT NULL DEFAULT false,
  sighted_at bigint,
  tags text[] NOT NULL DEFAULT '{}',
  message text,
  reports jsonb NOT NULL DEFAULT '{}',
  first_seen bigint, origin jsonb,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (id) INCLUDE (org_id, case_id),
  CHECK (num_nonnulls(alert_id, case_id) = 1),
  CHECK (CASE WHEN sha256 IS NULL THEN data IS NOT NULL
              ELSE data IS NULL AND num_nonnulls(file_name, content_type, attachment_id) = 3 END)
);
COMMENT ON COLUMN observables.value_key IS 'first 16 bytes of SHA-256 over the value (lower-cased for case-insensitive types) or of the file''s content';
COMMENT ON COLUMN observables.attachment_id IS 'the id under which the API shows the file; from the same sequence';
COMMENT ON COLUMN observables.reports IS 'copy of the verdict lines per analyzer; the truth is in jobs';
CREATE UNIQUE INDEX observables_value ON observables (org_id, value_key, parent_id, data_type);
CREATE INDEX observables_alert ON observables (alert_id, id) WHERE alert_id IS NOT NULL;
CREATE INDEX observables_case ON observables (case_id, id) WHERE case_id IS NOT NULL;
-- Counting reads these indexes alone: what the policy asks of a row (its organisation, its case) lies in them.
CREATE INDEX observables_created ON observables (org_id, created_at DESC, id DESC) INCLUDE (case_id, ioc, sighted);
CREATE INDEX observables_type ON observables (org_id, data_type, created_at DESC, id DESC) INCLUDE (case_id, ioc);
CREATE INDEX observables_sighted ON observables (org_id, created_at DESC) WHERE sighted;
CREATE INDEX observables_sha256 ON observables (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX observables_attachment ON observables (attachment_id) WHERE attachment_id IS NOT NULL;

CREATE TABLE observable_shares (
  entity_id bigint NOT NULL REFERENCES observables ON DELETE CASCADE,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  PRIMARY KEY (entity_id, org_id)
);
CREATE INDEX observable_shares_org ON observable_shares (org_id, entity_id DESC);

CREATE TABLE observable_tags (
  org_id bigint NOT NULL, tag text NOT NULL, created_at bigint NOT NULL,
  observable_id bigint NOT NULL REFERENCES observables ON DELETE CASCADE
);
CREATE UNIQUE INDEX observable_tags_tag ON observable_tags (org_id, tag, created_at DESC, observable_id DESC);
CREATE INDEX observable_tags_observable ON observable_tags (observable_id);

-- One row per distinct value: the trigram cost is paid per value, not per observable.
CREATE TABLE observable_values (
  org_id bigint NOT NULL, value_key uuid NOT NULL, data text NOT NULL,
  PRIMARY KEY (org_id, value_key)
);
CREATE INDEX observable_values_data ON observable_values USING gin (data gin_trgm_ops) WITH (gin_pending_list_limit = 32768);
