CREATE TABLE observable_types (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 64),
  is_attachment boolean NOT NULL DEFAULT false,
  is_case_sensitive boolean NOT NULL DEFAULT true,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);

CREATE TABLE statuses (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  kind text NOT NULL CHECK (kind IN ('alert', 'case')),
  value text NOT NULL,
  stage text NOT NULL CHECK (stage IN ('New', 'InProgress', 'Closed', 'Imported')),
  ord integer NOT NULL DEFAULT 0,
  colour text NOT NULL DEFAULT '#000000',
  UNIQUE (kind, value)
);
INSERT INTO statuses (kind, value, stage, ord, colour) VALUES
  ('alert', 'New', 'New', 0, '#1971c2'), ('alert', 'Updated', 'New', 1, '#1098ad'),
  ('alert', 'InProgress', 'InProgress', 2, '#f08c00'), ('alert', 'Pending', 'InProgress', 3, '#e8590c'),
  ('alert', 'Ignored', 'Closed', 4, '#868e96'), ('alert', 'FalsePositive', 'Closed', 5, '#868e96'),
  ('alert', 'Duplicate', 'Closed', 6, '#868e96'), ('alert', 'Imported', 'Imported', 7, '#2f9e44'),
  ('case', 'New', 'New', 0, '#1971c2'), ('case', 'InProgress', 'InProgress', 1, '#f08c00'),
  ('case', 'TruePositive', 'Closed', 2, '#c92a2a'), ('case', 'FalsePositive', 'Closed', 3, '#868e96'),
  ('case', 'Indeterminate', 'Closed', 4, '#868e96'), ('case', 'Other', 'Closed', 5, '#868e96'),
  ('case', 'Duplicated', 'Closed', 6, '#868e96');

CREATE SEQUENCE custom_field_no AS integer;
GRANT USAGE ON SEQUENCE custom_field_no TO hive_app, hive_system;
CREATE TABLE custom_fields (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  field_no integer NOT NULL UNIQUE DEFAULT nextval('custom_field_no'),
  name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 64),
  display_name text NOT NULL,
  field_group text NOT NULL,
  description text NOT NULL,
  type text NOT NULL CHECK (type IN ('string', 'integer', 'float', 'boolean', 'date', 'url')),
  options jsonb NOT NULL DEFAULT '[]',
  mandatory boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);

CREATE TABLE case_templates (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 128),
  display_name text NOT NULL,
  title_prefix text, description text, severity smallint, tlp text, pap text, flag boolean NOT NULL DEFAULT false, summary text,
  tags text[] NOT NULL DEFAULT '{}',
  tasks jsonb NOT NULL DEFAULT '[]',
  custom_fields jsonb NOT NULL DEFAULT '[]',
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  UNIQUE (org_id, name)
);
