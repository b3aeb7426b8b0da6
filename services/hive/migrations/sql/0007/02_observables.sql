-- Words of what people wrote about observables, and of their files' names: the index holds those that have any.
CREATE FUNCTION observable_document(message text, file_name text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = public, pg_temp  -- while an index is built there is none
  AS $$ SELECT search_document(coalesce(message, '') || ' ' || coalesce(file_name, '')) $$;
CREATE INDEX observables_words ON observables USING gin (observable_document(message, file_name))
  WITH (gin_pending_list_limit = 32768) WHERE message IS NOT NULL OR file_name IS NOT NULL;
CREATE VIEW observable_search AS SELECT o.id, observable_document(o.message, o.file_name) AS document FROM observables o
  WHERE (o.message IS NOT NULL OR o.file_name IS NOT NULL)
    AND (o.org_id = (SELECT waggle_org())
         OR EXISTS (SELECT FROM observable_shares s WHERE s.entity_id = o.id AND s.org_id = (SELECT waggle_org())));
GRANT SELECT ON observable_search TO hive_app;
