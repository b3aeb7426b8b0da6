"""Tags and taxonomies as the v1 API takes and shows them. A taxonomy comes in MISP's machinetag.json form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from typing_extensions import TypedDict

from hive.identity.schemas import updated
from hive.markings import Input
from hive.tables import text_id
from hive.tags.models import DEFAULT_COLOUR, Tag, Taxonomy

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Word = Annotated[str, Field(min_length=1, max_length=512)]


def _colour(given: Any) -> Any:
    """Public taxonomies hold some colours that are none (`#FFC000 `, `#FFF`): those get the default."""
    text = given.strip() if isinstance(given, str) else ""
    if len(text) == 4 and text.startswith("#"):
        text = "#" + "".join(c * 2 for c in text[1:])
    good = len(text) == 7 and text[0] == "#" and all(c in "0123456789abcdefABCDEF" for c in text[1:])
    return text if good else DEFAULT_COLOUR


FileColour = Annotated[Colour, BeforeValidator(_colour)]


class _Part(BaseModel):
    """Public files hold more than is used here (`uuid`, `expanded` of values…)."""

    model_config = ConfigDict(extra="ignore")


class TaxonomyEntry(_Part):
    value: Word
    expanded: str | None = None
    description: str | None = None
    colour: FileColour = DEFAULT_COLOUR


class TaxonomyPredicate(TaxonomyEntry):
    exclusive: bool = False


class TaxonomyValues(_Part):
    predicate: Word
    entry: Annotated[list[TaxonomyEntry], Field(max_length=20_000)] = Field(default_factory=list)


class InputTaxonomy(_Part):
    namespace: Annotated[str, Field(min_length=1, max_length=128, pattern=r'^[^\x00-\x1f":=]+$')]
    description: Annotated[str, Field(max_length=65_536)]
    taxonomy_version: Annotated[int, Field(ge=0, le=2**31 - 1, validation_alias=AliasChoices("version", "taxonomy_version"))]
    exclusive: bool = False
    predicates: Annotated[list[TaxonomyPredicate], Field(min_length=1, max_length=20_000)]
    values: Annotated[list[TaxonomyValues], Field(max_length=20_000)] = Field(default_factory=list)


class InputUpdateTag(Input):
    predicate: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    description: Annotated[str, Field(max_length=65_536)] | None = None
    colour: Colour | None = None


class OutputTag(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    namespace: str
    predicate: str
    value: NotRequired[str]
    description: NotRequired[str]
    colour: str
    extraData: dict[str, Any]


class OutputTaxonomy(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    namespace: str
    description: str
    version: int
    enabled: bool
    tags: list[OutputTag]
    extraData: dict[str, Any]


class FailedImport(TypedDict):
    file: str
    error: str
    status: int


class TaxonomiesImported(TypedDict):
    imported: int
    errors: list[FailedImport]


def tag_out(row: Tag) -> OutputTag:
    shown: OutputTag = {
        "_id": text_id(row.id), "_type": "Tag", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "namespace": row.namespace, "predicate": row.predicate, "colour": row.colour, "extraData": {},
    }  # fmt: skip
    if row.value is not None:
        shown["value"] = row.value
    if row.description is not None:
        shown["description"] = row.description
    shown.update(updated(row))  # type: ignore[typeddict-item]
    return shown


def taxonomy_out(row: Taxonomy, tags: Sequence[Tag]) -> OutputTaxonomy:
    """`version` is the taxonomy's own, as its authors count it."""
    shown: OutputTaxonomy = {
        "_id": text_id(row.id), "_type": "Taxonomy", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "namespace": row.namespace, "description": row.description, "version": row.taxonomy_version, "enabled": row.enabled,
        "tags": [tag_out(one) for one in tags], "extraData": {},
    }  # fmt: skip
    shown.update(updated(row))  # type: ignore[typeddict-item]
    return shown
