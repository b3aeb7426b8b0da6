-- What everything else stands on: extensions, the id sequences, the scope of a transaction, the search configuration.
CREATE EXTENSION IF NOT EXISTS unaccent;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- One sequence for everything a client can name; CACHE 1, or "order of ids = order of creation" breaks across connections.
CREATE SEQUENCE entity_id START 4096 CACHE 1;
CREATE SEQUENCE case_number START 1 CACHE 1;
GRANT USAGE ON SEQUENCE entity_id, case_number TO hive_app, hive_system;

CREATE FUNCTION waggle_org() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('waggle.org', true), '')::bigint $$;
CREATE FUNCTION waggle_user() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('waggle.user', true), '')::bigint $$;
CREATE FUNCTION waggle_request() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT coalesce(current_setting('waggle.request', true), '') $$;

-- 'simple' without stemming: indicators are not prose and teams are multilingual.
CREATE TEXT SEARCH CONFIGURATION hive (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION hive ALTER MAPPING FOR asciiword, word, numword, asciihword, hword, numhword,
  hword_asciipart, hword_part, hword_numpart WITH unaccent, simple;

-- Indexed as it is and with punctuation turned to blanks, so that user@example.com, example.com and user all find it.
-- Cut, because tsvector raises beyond 1 MB.
CREATE FUNCTION search_document(body text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT to_tsvector('hive'::regconfig, left(body, 100000))
            || to_tsvector('hive'::regconfig, regexp_replace(left(body, 100000), '[^[:alnum:]]+', ' ', 'g')) $$;
CREATE FUNCTION alert_document(title text, description text, source text, type text, source_ref text, tags text[])
  RETURNS tsvector LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT search_document(concat_ws(' ', title, source, type, source_ref, array_to_string(tags, ' '), description)) $$;
CREATE FUNCTION case_document(title text, description text, summary text, tags text[])
  RETURNS tsvector LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT search_document(concat_ws(' ', title, array_to_string(tags, ' '), summary, description)) $$;

CREATE TABLE installation (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  export_namespace uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE installation IS 'export_namespace: random per installation, so that events exported by two hives never collide';
INSERT INTO installation DEFAULT VALUES;
