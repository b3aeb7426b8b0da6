"""Writing, changing and removing comments."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import record
from hive.comments.models import Comment
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.parents import Parent, parent_of
from hive.tables import number_of, touch
from hive.texts import drop_part, index_part, reindex_part
from waggle.errors import NotFound
from waggle.ids import now_ms


async def create(session: AsyncSession, caller: Caller, parent: Parent, *, message: str, external: bool = False) -> Comment:
    await parent.check(session, caller, Permission.COMMENT)
    comment = Comment(
        org_id=parent.org_id, alert_id=parent.alert_id, case_id=parent.case_id, message=message, external=external,
        created_at=now_ms(), created_by=caller.login,
    )  # fmt: skip
    session.add(comment)
    await session.flush()
    await index_part(
        session, of=parent.kind, parent_id=parent.id, org_id=parent.org_id, kind="comment", entity_id=comment.id, title="",
        body=message,
    )  # fmt: skip
    details = {"message": message}
    await record(session, caller, action="create", kind="comment", object_id=comment.id, root=parent.root, details=details)
    await session.refresh(comment)
    return comment


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Comment:
    """The comment of an id. Raises NotFound."""
    statement = select(Comment).where(Comment.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Comment {reference[:200]} not found")
    return found


def _parent(comment: Comment) -> Parent:
    return parent_of(alert_id=comment.alert_id, case_id=comment.case_id, org_id=comment.org_id)


async def change(session: AsyncSession, caller: Caller, comment: Comment, *, message: str) -> None:
    parent = _parent(comment)
    await parent.check(session, caller, Permission.COMMENT)
    if comment.message == message:
        return
    comment.message = message
    touch(comment, caller.login)
    await session.flush()
    await reindex_part(session, of=parent.kind, entity_id=comment.id, title="", body=message)
    details = {"message": message}
    await record(session, caller, action="update", kind="comment", object_id=comment.id, root=parent.root, details=details)


async def remove(session: AsyncSession, caller: Caller, comment: Comment) -> None:
    parent = _parent(comment)
    await parent.check(session, caller, Permission.COMMENT)
    await drop_part(session, of=parent.kind, entity_id=comment.id)
    gone = {"message": comment.message, "createdBy": comment.created_by, "createdAt": comment.created_at}
    await session.delete(comment)
    await session.flush()
    await record(session, caller, action="delete", kind="comment", object_id=comment.id, root=parent.root, details={}, gone=gone)
