"""What can be searched in the platform's catalogues: the registers of types, fields, statuses, tags and taxonomies."""

from __future__ import annotations

from hive.search.fields import common, flags, numbers, texts
from waggle.query import Entity, Field

OBSERVABLE_TYPE = Entity(
    kind="observable type",
    table="observable_types",
    org=None,
    fields={
        **common(),
        **texts(name="name"),
        **flags(isAttachment="is_attachment", isCaseSensitive="is_case_sensitive"),
    },
    texts=("name",),
)

CUSTOM_FIELD = Entity(
    kind="custom field",
    table="custom_fields",
    org=None,
    fields={
        **common(),
        **texts(
            name="name", reference="name", displayName="display_name", group="field_group", description="description",
            type="type",
        ),
        **flags(mandatory="mandatory"),
        "options": Field("ARRAY(SELECT jsonb_array_elements_text({t}.options))", "list"),
    },
    texts=("name", "displayName", "description"),
)  # fmt: skip


def _statuses(kind: str) -> Entity:
    return Entity(
        kind=f"{kind} status",
        table=f"(SELECT * FROM statuses WHERE kind = '{kind}')",
        org=None,
        fields={
            **common(),
            **texts(value="value", stage="stage", description="description", colour="colour"),
            **numbers(order="ord"),
            **flags(hidden="hidden"),
        },
        texts=("value",),
    )


ALERT_STATUS = _statuses("alert")
CASE_STATUS = _statuses("case")

TAG = Entity(
    kind="tag",
    table="tags",
    org=None,
    fields={
        **common(),
        **texts(namespace="namespace", predicate="predicate", value="value", description="description", colour="colour"),
        "text": Field("(CASE WHEN {t}.org_id IS NOT NULL THEN {t}.predicate ELSE"
                      " concat({t}.namespace, ':', {t}.predicate, '=\"' || {t}.value || '\"') END)"),
        "freeTag": Field("({t}.org_id IS NOT NULL)", "boolean"),
    },
    texts=("namespace", "predicate", "value"),
)  # fmt: skip

TAXONOMY = Entity(
    kind="taxonomy",
    table="taxonomies",
    org=None,
    fields={
        **common(),
        **texts(namespace="namespace", description="description"),
        **numbers(version="taxonomy_version"),
        **flags(enabled="enabled", exclusive="exclusive"),
    },
    texts=("namespace", "description"),
)
