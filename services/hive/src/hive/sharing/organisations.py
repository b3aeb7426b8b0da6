"""Links between organisations: who can name whom, and what is shared by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.identity.models import Organisation
from hive.identity.permissions import ADMIN_ORGANISATION
from hive.identity.service import organisation as find_organisation
from hive.tables import Base, touch
from waggle.errors import BadRequest, CreateError, NotFound


class OrganisationLink(Base):
    """One side of a link: what `org_id` shares by itself with `other_org_id`, and the reverse."""

    __tablename__ = "organisation_links"
    org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    other_org_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    link_type: Mapped[str]
    other_link_type: Mapped[str]


@dataclass(frozen=True, slots=True)
class Link:
    """`other_link_type`: what the other organisation shares by itself with this one."""

    organisation: Organisation
    link_type: str
    other_link_type: str


VISIBLE = text(
    "SELECT CAST(:org AS bigint) = waggle_org() OR in_admin_organisation() OR EXISTS"
    " (SELECT FROM organisation_links WHERE org_id = waggle_org() AND other_org_id = :org)"
)


async def visible(session: AsyncSession, reference: str) -> Organisation:
    """The organisation, if it is one's own or linked with it; all of them for the administration. Raises NotFound."""
    found = await find_organisation(session, reference)
    if not await session.scalar(VISIBLE, {"org": found.id}):
        raise NotFound(f"Organisation {reference[:64]} not found")
    return found


async def links(session: AsyncSession, organisation: Organisation) -> list[Link]:
    rows = await session.execute(
        select(OrganisationLink, Organisation)
        .join(Organisation, Organisation.id == OrganisationLink.other_org_id)
        .where(OrganisationLink.org_id == organisation.id)
        .order_by(Organisation.name)
    )
    return [Link(other, link.link_type, link.other_link_type) for link, other in rows]


async def link(
    session: AsyncSession, caller: Caller, one: Organisation, other: Organisation, *, link_type: str, other_link_type: str
) -> None:
    """Links two organisations, or changes what the link shares. Raises BadRequest for the administration or oneself."""
    if one.id == other.id or ADMIN_ORGANISATION in (one.name, other.name):
        raise BadRequest("a link joins two different organisations that have cases")
    for a, b, there, back in ((one, other, link_type, other_link_type), (other, one, other_link_type, link_type)):
        await session.merge(OrganisationLink(org_id=a.id, other_org_id=b.id, link_type=there, other_link_type=back))
    await session.flush()
    details = {"link": {"organisation": other.name, "linkType": link_type, "otherLinkType": other_link_type}}
    root = Root("organisation", one.id)
    await record(session, caller, action="update", kind="organisation", object_id=one.id, root=root, details=details)


async def unlink(session: AsyncSession, caller: Caller, one: Organisation, other: Organisation) -> None:
    """Cases that are shared stay so. Raises NotFound where there is no link."""
    rows = [await session.get(OrganisationLink, pair) for pair in ((one.id, other.id), (other.id, one.id))]
    if not any(rows):
        raise NotFound(f"{one.name} and {other.name} are not linked")
    for row in rows:
        if row is not None:
            await session.delete(row)
    await session.flush()
    root = Root("organisation", one.id)
    details = {"unlink": {"organisation": other.name}}
    await record(session, caller, action="update", kind="organisation", object_id=one.id, root=root, details=details)


async def set_links(
    session: AsyncSession, caller: Caller, one: Organisation, wanted: Sequence[tuple[Organisation, str, str]]
) -> None:
    """These links and no others."""
    kept = {other.id for other, _, _ in wanted}
    for present in await links(session, one):
        if present.organisation.id not in kept:
            await unlink(session, caller, one, present.organisation)
    for other, link_type, other_link_type in wanted:
        await link(session, caller, one, other, link_type=link_type, other_link_type=other_link_type)


async def change(session: AsyncSession, caller: Caller, row: Organisation, columns: Mapping[str, Any]) -> None:
    """Applies changes by column name. Raises CreateError for a name that is taken, BadRequest for renaming the administration."""
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    if not changed:
        return
    if "name" in changed or changed.get("locked"):
        if row.name == ADMIN_ORGANISATION:
            raise BadRequest("the organisation of the administration keeps its name and stays open")
        taken = func.lower(Organisation.name) == str(changed.get("name", "")).lower(), Organisation.id != row.id
        if await session.scalar(select(Organisation.id).where(*taken)):
            raise CreateError(f"Organisation {changed['name']} already exist")
    for name, value in changed.items():
        setattr(row, name, value)
    touch(row, caller.login)
    await session.flush()
    details = {name: value for name, value in changed.items() if not isinstance(value, bytes)}
    root = Root("organisation", row.id)
    await record(session, caller, action="update", kind="organisation", object_id=row.id, root=root, details=details)
