"""Tables of pages and page templates."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class Page(Entity, Base):
    __tablename__ = "pages"
    org_id: Mapped[int]
    case_id: Mapped[int]
    title: Mapped[str]
    content: Mapped[str]
    category: Mapped[str]
    ord: Mapped[int] = mapped_column(Integer, default=0)


class PageTemplate(Entity, Base):
    __tablename__ = "page_templates"
    org_id: Mapped[int]
    title: Mapped[str]
    content: Mapped[str]
    category: Mapped[str]
    ord: Mapped[int] = mapped_column(Integer, default=0)


class CaseTemplatePage(Base):
    """A page template that a case template brings along, in the order of `ord`."""

    __tablename__ = "case_template_pages"
    org_id: Mapped[int]
    template_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    page_template_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ord: Mapped[int] = mapped_column(Integer)
