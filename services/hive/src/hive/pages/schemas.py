"""Pages and page templates as the v1 API takes and shows them: the same shape, two types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.markings import Input, Text
from hive.pages.models import Page, PageTemplate
from hive.tables import text_id

Title = Annotated[str, Field(min_length=1, max_length=512)]
Category = Annotated[str, Field(min_length=1, max_length=128)]
Order = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class InputPage(Input):
    title: Title
    content: Text
    category: Category
    order: Order = 0


class InputUpdatePage(Input):
    title: Title | None = None
    content: Text | None = None
    category: Category | None = None
    order: Order | None = None


class OutputPage(TypedDict):
    _id: str
    _type: Literal["Page", "PageTemplate"]
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    title: str
    content: str
    order: int
    category: str
    extraData: dict[str, Any]


def page_out(page: Page | PageTemplate) -> OutputPage:
    answer: OutputPage = {
        "_id": text_id(page.id), "_type": "Page" if isinstance(page, Page) else "PageTemplate", "_createdBy": page.created_by,
        "_createdAt": page.created_at, "version": page.version, "title": page.title, "content": page.content,
        "order": page.ord, "category": page.category, "extraData": {},
    }  # fmt: skip
    if page.updated_at is not None and page.updated_by is not None:
        answer["_updatedAt"], answer["_updatedBy"] = page.updated_at, page.updated_by
    return answer
