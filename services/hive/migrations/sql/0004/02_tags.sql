-- Taxonomies belong to the platform; free tags to the organisation that uses them.
CREATE TABLE taxonomies (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  namespace text NOT NULL UNIQUE CHECK (char_length(namespace) BETWEEN 1 AND 128),
  description text NOT NULL,
  taxonomy_version integer NOT NULL,
  exclusive boolean NOT NULL DEFAULT false,
  enabled boolean NOT NULL DEFAULT false,
  shipped boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
COMMENT ON COLUMN taxonomies.shipped IS 'from the package of public taxonomies; a newer package replaces it';

CREATE TABLE tags (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  org_id bigint REFERENCES organisations ON DELETE CASCADE,
  taxonomy_id bigint REFERENCES taxonomies ON DELETE CASCADE,
  namespace text NOT NULL, predicate text NOT NULL, value text,
  description text,
  colour text NOT NULL DEFAULT '#000000' CHECK (colour ~ '^#[0-9a-fA-F]{6}$'),
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1,
  CHECK ((org_id IS NULL) = (taxonomy_id IS NOT NULL))
);
COMMENT ON TABLE tags IS 'tags of taxonomies (taxonomy_id), and free tags that an organisation has used (org_id, namespace _freetags_<org>)';
CREATE UNIQUE INDEX tags_free ON tags (org_id, predicate) WHERE org_id IS NOT NULL;
CREATE UNIQUE INDEX tags_taxonomy ON tags (taxonomy_id, predicate, coalesce(value, '')) WHERE taxonomy_id IS NOT NULL;

-- Free tags are entered when the list is looked at: jumping from one distinct tag to the next over the indexes of the tag rows.
CREATE FUNCTION collect_free_tags() RETURNS void LANGUAGE sql SECURITY INVOKER AS $$
  WITH RECURSIVE
  a(tag) AS (
    (SELECT tag FROM alert_tags WHERE org_id = waggle_org() ORDER BY tag LIMIT 1)
    UNION ALL
    SELECT (SELECT x.tag FROM alert_tags x WHERE x.org_id = waggle_org() AND x.tag > a.tag ORDER BY x.tag LIMIT 1)
    FROM a WHERE a.tag IS NOT NULL),
  o(tag) AS (
    (SELECT tag FROM observable_tags WHERE org_id = waggle_org() ORDER BY tag LIMIT 1)
    UNION ALL
    SELECT (SELECT x.tag FROM observable_tags x WHERE x.org_id = waggle_org() AND x.tag > o.tag ORDER BY x.tag LIMIT 1)
    FROM o WHERE o.tag IS NOT NULL),
  c(tag) AS (SELECT DISTINCT tag FROM case_tags WHERE org_id = waggle_org()),
  used AS (SELECT tag FROM a UNION SELECT tag FROM o UNION SELECT tag FROM c)
  INSERT INTO tags (org_id, namespace, predicate, created_at, created_by)
  SELECT waggle_org(), '_freetags_' || waggle_org(), tag, (extract(epoch FROM now()) * 1000)::bigint, 'system@thehive.local'
  FROM used WHERE tag IS NOT NULL
    AND NOT EXISTS (SELECT FROM tags t WHERE t.org_id = waggle_org() AND t.predicate = used.tag)
  ON CONFLICT DO NOTHING
$$;
ALTER TABLE tags ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON tags FOR SELECT TO hive_app USING (
  org_id = (SELECT waggle_org()) OR (org_id IS NULL AND ((SELECT in_admin_organisation())
    OR EXISTS (SELECT FROM taxonomies x WHERE x.id = tags.taxonomy_id AND x.enabled))));
CREATE POLICY make ON tags FOR INSERT TO hive_app
  WITH CHECK (org_id = (SELECT waggle_org()) OR (org_id IS NULL AND (SELECT in_admin_organisation())));
CREATE POLICY change ON tags FOR UPDATE TO hive_app
  USING (org_id = (SELECT waggle_org()) OR (org_id IS NULL AND (SELECT in_admin_organisation())));
CREATE POLICY remove ON tags FOR DELETE TO hive_app
  USING (org_id = (SELECT waggle_org()) OR (org_id IS NULL AND (SELECT in_admin_organisation())));
CREATE POLICY machinery ON tags TO hive_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON taxonomies, tags TO hive_app, hive_system;
