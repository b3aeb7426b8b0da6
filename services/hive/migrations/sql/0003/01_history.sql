-- History of a received case: readers see what concerns the case itself, and of its parts those that are shared with them today.
CREATE FUNCTION part_shared(kind text, part bigint, org bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT CASE kind
    WHEN 'task' THEN EXISTS (SELECT FROM task_shares s WHERE s.entity_id = part AND s.org_id = org)
    WHEN 'log' THEN EXISTS (SELECT FROM logs l JOIN task_shares s ON s.entity_id = l.task_id WHERE l.id = part AND s.org_id = org)
    WHEN 'observable' THEN EXISTS (SELECT FROM observable_shares s WHERE s.entity_id = part AND s.org_id = org)
    WHEN 'job' THEN EXISTS (SELECT FROM jobs j JOIN observable_shares s ON s.entity_id = j.observable_id
                            WHERE j.id = part AND s.org_id = org)
    WHEN 'attachment' THEN EXISTS (SELECT FROM attachments a WHERE a.id = part AND (a.log_id IS NULL OR EXISTS (
                            SELECT FROM logs l JOIN task_shares s ON s.entity_id = l.task_id WHERE l.id = a.log_id AND s.org_id = org)))
    ELSE kind IN ('case', 'comment', 'page', 'procedure', 'custom_event')
  END $$;

DROP POLICY visible ON audit;
CREATE POLICY visible ON audit FOR SELECT TO hive_app USING (
  CASE WHEN case_id IS NULL THEN org_id = (SELECT waggle_org())
       ELSE EXISTS (SELECT FROM cases c WHERE c.id = audit.case_id
                    AND (c.org_id = (SELECT waggle_org()) OR part_shared(audit.kind, audit.object_id, (SELECT waggle_org())))) END);

-- One reader per process follows all organisations in the order of their transactions.
CREATE INDEX audit_order ON audit (txid, id);
-- The history of received cases, which lies with other organisations.
CREATE INDEX audit_case ON audit (case_id, txid, id) WHERE case_id IS NOT NULL;
