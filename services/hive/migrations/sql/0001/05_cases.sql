CREATE TABLE cases (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL REFERENCES organisations,
  number integer NOT NULL UNIQUE DEFAULT nextval('case_number'),
  title text NOT NULL, description text NOT NULL,
  severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),
  tlp text NOT NULL CHECK (tlp IN ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  pap text NOT NULL CHECK (pap IN ('CLEAR', 'GREEN', 'AMBER', 'RED')),
  start_date bigint NOT NULL, end_date bigint,
  status_kind text NOT NULL GENERATED ALWAYS AS ('case') STORED,
  status text NOT NULL, stage text NOT NULL,
  resolution text, impact_status text CHECK (impact_status IN ('NotApplicable', 'WithImpact', 'NoImpact')),
  summary text, flag boolean NOT NULL DEFAULT false,
  assignee_id bigint REFERENCES users ON DELETE SET NULL,
  access text NOT NULL DEFAULT 'organisation' CHECK (access IN ('organisation', 'users', 'external', 'all_external')),
  tags text[] NOT NULL DEFAULT '{}',
  custom_fields jsonb NOT NULL DEFAULT '[]',
  new_date bigint NOT NULL, in_progress_date bigint, closed_date bigint,
  alert_date bigint, alert_new_date bigint, alert_in_progress_date bigint, alert_imported_date bigint,
  template_name text,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  FOREIGN KEY (status_kind, status) REFERENCES statuses (kind, value)
);
CREATE INDEX cases_status ON cases (org_id, status, start_date DESC, id DESC);
CREATE INDEX cases_assignee ON cases (org_id, assignee_id, start_date DESC);
ALTER TABLE alerts ADD FOREIGN KEY (case_id) REFERENCES cases;

CREATE TABLE case_shares (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  owner boolean NOT NULL,
  profile_id bigint NOT NULL REFERENCES profiles,
  task_rule text NOT NULL DEFAULT 'manual' CHECK (task_rule IN ('manual', 'autoShare')),
  observable_rule text NOT NULL DEFAULT 'manual' CHECK (observable_rule IN ('manual', 'autoShare')),
  start_date bigint NOT NULL,
  UNIQUE (case_id, org_id)
);
CREATE INDEX case_shares_list ON case_shares (org_id, start_date DESC, case_id DESC);
CREATE UNIQUE INDEX case_shares_owner ON case_shares (case_id) WHERE owner;

CREATE TABLE case_readers (
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
  PRIMARY KEY (case_id, user_id)
);

CREATE TABLE case_tags (
  org_id bigint NOT NULL, tag text NOT NULL, date bigint NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE
);
CREATE UNIQUE INDEX case_tags_tag ON case_tags (org_id, tag, date DESC, case_id DESC);
CREATE INDEX case_tags_case ON case_tags (case_id);

CREATE TABLE case_fields (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  field_no integer NOT NULL REFERENCES custom_fields (field_no),
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  ord integer NOT NULL DEFAULT 0,
  key text, number double precision, value jsonb NOT NULL,
  date bigint NOT NULL
);
CREATE INDEX case_fields_key ON case_fields (org_id, field_no, key, date DESC, case_id DESC) WHERE key IS NOT NULL;
CREATE INDEX case_fields_number ON case_fields (org_id, field_no, number, date DESC, case_id DESC) WHERE number IS NOT NULL;
CREATE INDEX case_fields_case ON case_fields (case_id);

CREATE TABLE case_texts (
  entity_id bigint PRIMARY KEY,
  kind text NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  org_id bigint NOT NULL,
  title text NOT NULL,
  document tsvector NOT NULL
);
CREATE INDEX case_texts_document ON case_texts USING gin (document) WITH (gin_pending_list_limit = 32768);
CREATE INDEX case_texts_title ON case_texts USING gin (title gin_trgm_ops) WHERE kind = 'case';
CREATE INDEX case_texts_case ON case_texts (case_id);

CREATE TABLE tasks (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  title text NOT NULL, task_group text NOT NULL DEFAULT 'default', description text,
  status text NOT NULL DEFAULT 'Waiting' CHECK (status IN ('Waiting', 'InProgress', 'Completed', 'Cancel')),
  flag boolean NOT NULL DEFAULT false, mandatory boolean NOT NULL DEFAULT false, ord integer NOT NULL DEFAULT 0,
  start_date bigint, end_date bigint, due_date bigint,
  assignee_id bigint REFERENCES users ON DELETE SET NULL,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE INDEX tasks_case ON tasks (case_id, ord, id);
CREATE INDEX tasks_assignee ON tasks (org_id, assignee_id, status, id);
CREATE INDEX tasks_status ON tasks (org_id, status, created_at DESC);

CREATE TABLE task_shares (
  entity_id bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  PRIMARY KEY (entity_id, org_id)
);
CREATE INDEX task_shares_org ON task_shares (org_id, entity_id DESC);

CREATE TABLE logs (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  task_id bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  message text NOT NULL, date bigint NOT NULL, include_in_timeline bigint,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE INDEX logs_task ON logs (task_id, id);
CREATE INDEX logs_case ON logs (case_id);

CREATE TABLE attachments (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  alert_id bigint REFERENCES alerts ON DELETE CASCADE,
  case_id bigint REFERENCES cases ON DELETE CASCADE,
  log_id bigint REFERENCES logs ON DELETE CASCADE,
  name text NOT NULL, content_type text NOT NULL, size bigint NOT NULL,
  sha256 bytea NOT NULL REFERENCES blobs,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  CHECK (log_id IS NULL OR case_id IS NOT NULL), CHECK (alert_id IS NULL OR case_id IS NULL)
);
COMMENT ON COLUMN attachments.case_id IS 'also set for the attachment of a log: all children of a case carry it';
CREATE INDEX attachments_alert ON attachments (alert_id, id) WHERE alert_id IS NOT NULL;
CREATE INDEX attachments_case ON attachments (case_id, id) WHERE case_id IS NOT NULL;
CREATE INDEX attachments_log ON attachments (log_id, id) WHERE log_id IS NOT NULL;
CREATE INDEX attachments_sha256 ON attachments (sha256);
