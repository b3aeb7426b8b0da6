CREATE TABLE blobs (
  sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
  sha1 text NOT NULL, md5 text NOT NULL, size bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE blobs IS 'one row per content; not reference-counted: a sweep removes what no foreign key holds';

CREATE TABLE alerts (
  id bigint DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  type text NOT NULL, source text NOT NULL, source_ref text NOT NULL,
  title text NOT NULL, description text NOT NULL,
  severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
  tlp text NOT NULL CHECK (tlp IN ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  pap text NOT NULL CHECK (pap IN ('CLEAR', 'GREEN', 'AMBER', 'RED')),
  date bigint NOT NULL,
  status_kind text NOT NULL GENERATED ALWAYS AS ('alert') STORED,
  status text NOT NULL, stage text NOT NULL,
  read boolean NOT NULL DEFAULT false, follow boolean NOT NULL DEFAULT true, flag boolean NOT NULL DEFAULT false,
  case_id bigint,
  assignee_id bigint REFERENCES users ON DELETE SET NULL,
  external_link text, case_template text, summary text,
  tags text[] NOT NULL DEFAULT '{}',
  custom_fields jsonb NOT NULL DEFAULT '[]',
  observable_count integer NOT NULL DEFAULT 0,
  new_date bigint NOT NULL, in_progress_date bigint, closed_date bigint, imported_date bigint, last_sync_date bigint,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (id) INCLUDE (org_id),  -- what the policy asks of a row, so that counts by tag or word read indexes alone
  FOREIGN KEY (status_kind, status) REFERENCES statuses (kind, value),
  CHECK (CASE WHEN case_id IS NULL THEN read = (stage = 'Closed') AND stage <> 'Imported' ELSE stage = 'Imported' END)
);
CREATE UNIQUE INDEX alerts_triple ON alerts (org_id, type, source, source_ref);
CREATE INDEX alerts_date ON alerts (org_id, date DESC, id DESC);
CREATE INDEX alerts_created ON alerts (org_id, created_at DESC, id DESC);
CREATE INDEX alerts_status ON alerts (org_id, status, date DESC, id DESC);
CREATE INDEX alerts_severity ON alerts (org_id, severity, date DESC, id DESC);
CREATE INDEX alerts_source ON alerts (org_id, source, date DESC, id DESC);
CREATE INDEX alerts_type ON alerts (org_id, type, date DESC, id DESC);
CREATE INDEX alerts_assignee ON alerts (org_id, assignee_id, date DESC, id DESC) WHERE assignee_id IS NOT NULL;
CREATE INDEX alerts_case ON alerts (case_id) WHERE case_id IS NOT NULL;

CREATE TABLE alert_tags (
  org_id bigint NOT NULL, tag text NOT NULL, date bigint NOT NULL,
  alert_id bigint NOT NULL REFERENCES alerts ON DELETE CASCADE
);
CREATE UNIQUE INDEX alert_tags_tag ON alert_tags (org_id, tag, date DESC, alert_id DESC);
CREATE INDEX alert_tags_alert ON alert_tags (alert_id);

CREATE TABLE alert_fields (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  field_no integer NOT NULL REFERENCES custom_fields (field_no),
  alert_id bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
  ord integer NOT NULL DEFAULT 0,
  key text, number double precision, value jsonb NOT NULL,
  date bigint NOT NULL
);
CREATE INDEX alert_fields_key ON alert_fields (org_id, field_no, key, date DESC, alert_id DESC) WHERE key IS NOT NULL;
CREATE INDEX alert_fields_number ON alert_fields (org_id, field_no, number, date DESC, alert_id DESC) WHERE number IS NOT NULL;
CREATE INDEX alert_fields_alert ON alert_fields (alert_id);

-- Beside the alert and not in it: a change of status must not touch a GIN index.
CREATE TABLE alert_texts (
  entity_id bigint PRIMARY KEY,
  kind text NOT NULL,
  alert_id bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
  org_id bigint NOT NULL,
  title text NOT NULL,
  document tsvector NOT NULL
);
CREATE INDEX alert_texts_document ON alert_texts USING gin (document) WITH (gin_pending_list_limit = 32768);
CREATE INDEX alert_texts_title ON alert_texts USING gin (title gin_trgm_ops) WHERE kind = 'alert';
CREATE INDEX alert_texts_alert ON alert_texts (alert_id);
