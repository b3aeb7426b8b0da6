-- What hangs on cases and alerts. All children of a case carry its owner's organisation, so one predicate fits all.
CREATE TABLE comments (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  alert_id bigint REFERENCES alerts ON DELETE CASCADE,
  case_id bigint REFERENCES cases ON DELETE CASCADE,
  message text NOT NULL,
  external boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  CHECK (num_nonnulls(alert_id, case_id) = 1)
);
CREATE INDEX comments_alert ON comments (alert_id, id) WHERE alert_id IS NOT NULL;
CREATE INDEX comments_case ON comments (case_id, id) WHERE case_id IS NOT NULL;
CREATE INDEX comments_list ON comments (org_id, id);

CREATE TABLE pages (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  title text NOT NULL, content text NOT NULL, category text NOT NULL, ord integer NOT NULL DEFAULT 0,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE INDEX pages_case ON pages (case_id, ord, id);

CREATE TABLE page_templates (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  title text NOT NULL, content text NOT NULL, category text NOT NULL, ord integer NOT NULL DEFAULT 0,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE INDEX page_templates_list ON page_templates (org_id, id);

CREATE TABLE case_template_pages (
  org_id bigint NOT NULL,
  template_id bigint NOT NULL REFERENCES case_templates ON DELETE CASCADE,
  page_template_id bigint NOT NULL REFERENCES page_templates ON DELETE CASCADE,
  ord integer NOT NULL,
  PRIMARY KEY (template_id, page_template_id)
);

-- ATT&CK techniques, for the whole platform.
CREATE TABLE patterns (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  catalog text NOT NULL,
  pattern_id text NOT NULL UNIQUE,
  name text NOT NULL, description text NOT NULL,
  tactics text[] NOT NULL, url text NOT NULL, revoked boolean NOT NULL,
  platforms text[] NOT NULL, data_sources text[] NOT NULL,
  parent text,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE TABLE pattern_catalogs (
  name text PRIMARY KEY,
  edition text NOT NULL
);
COMMENT ON TABLE pattern_catalogs IS 'which edition of a catalogue is loaded, so that a start loads it once';

CREATE TABLE procedures (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  alert_id bigint REFERENCES alerts ON DELETE CASCADE,
  case_id bigint REFERENCES cases ON DELETE CASCADE,
  pattern_id text NOT NULL REFERENCES patterns (pattern_id),
  tactic text NOT NULL,
  description text,
  occur_date bigint NOT NULL,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  CHECK (num_nonnulls(alert_id, case_id) = 1)
);
CREATE INDEX procedures_alert ON procedures (alert_id, id) WHERE alert_id IS NOT NULL;
CREATE INDEX procedures_case ON procedures (case_id, id) WHERE case_id IS NOT NULL;
CREATE INDEX procedures_pattern ON procedures (org_id, pattern_id);

CREATE TABLE custom_events (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL,
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  date bigint NOT NULL, end_date bigint,
  title text NOT NULL, description text,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE INDEX custom_events_case ON custom_events (case_id, date, id);

CREATE TABLE case_links (
  a_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  b_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  type text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 64),
  PRIMARY KEY (a_id, b_id, type), CHECK (a_id < b_id)
);
CREATE INDEX case_links_other ON case_links (b_id);

CREATE TABLE case_urls (
  case_id bigint NOT NULL REFERENCES cases ON DELETE CASCADE,
  type text NOT NULL CHECK (char_length(type) BETWEEN 1 AND 64),
  url text NOT NULL,
  PRIMARY KEY (case_id, type, url)
);

CREATE TABLE task_requests (
  task_id bigint NOT NULL REFERENCES tasks ON DELETE CASCADE,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  required boolean NOT NULL,
  PRIMARY KEY (task_id, org_id)
);
COMMENT ON TABLE task_requests IS 'whose action a task waits for; the row stays with false once it is done';

-- One row per side: what `org_id` calls the link, and what it shares by itself with the other.
CREATE TABLE organisation_links (
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  other_org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  link_type text NOT NULL DEFAULT 'default' CHECK (link_type IN ('default', 'supervised', 'notify')),
  other_link_type text NOT NULL DEFAULT 'default' CHECK (other_link_type IN ('default', 'supervised', 'notify')),
  PRIMARY KEY (org_id, other_org_id), CHECK (org_id <> other_org_id)
);

ALTER TABLE organisations ADD COLUMN avatar_sha256 bytea REFERENCES blobs, ADD COLUMN avatar_type text;
-- A case that was merged into another one is kept as a shell for those who hold its id; only the classic API shows it.
ALTER TABLE cases ADD COLUMN merged_into bigint REFERENCES cases ON DELETE CASCADE;
CREATE INDEX cases_merged ON cases (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX attachments_own ON attachments (org_id, id) WHERE num_nonnulls(alert_id, case_id, log_id) = 0;
