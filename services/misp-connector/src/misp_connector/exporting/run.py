"""One export: read what MISP holds, write the difference, read again, and only then believe it (contract misp §4.3).

Every step may be the last one before the process is killed; the same steps done again find what is there by its uuid.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from misp_connector.exporting.plan import WantedAttribute, WantedEvent, WantedObject
from misp_connector.exporting.records import Recorded
from misp_connector.exporting.server import BATCH, ExportServer
from misp_connector.exporting.snapshot import Found, Snapshot
from misp_connector.instances.config import Options
from misp_connector.polling.threads import in_thread
from misp_connector.sources.source import SourceDown
from waggle.contracts.messages.misp import Export, ExportFile

Content = Callable[[ExportFile], Awaitable[bytes]]
P = ParamSpec("P")
T = TypeVar("T")

SILENT = "MISP took the event without it and gave no reason"
WITHDRAWN = "no longer an IOC of the case"
MARKINGS = ("tlp:", "pap:")


@dataclass(frozen=True, slots=True)
class Became:
    """What became of one wanted attribute; `uuid` is the attribute's in MISP, `ours` whether an export made it."""

    uuid: str
    result: Export
    reason: str | None = None
    ours: bool = True


@dataclass(slots=True)
class Done:
    """How the event stands after the export."""

    event_id: str
    published: bool
    tags: tuple[str, ...]
    became: dict[str, Became] = field(default_factory=dict)
    """By the wanted attribute's uuid."""
    withdrawn: dict[str, str] = field(default_factory=dict)
    """Attributes that are no longer wanted, with what was done about each."""
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """The steps against one server. `foreign`: the event is somebody else's, to which we only add."""

    server: ExportServer
    content: Content
    options: Options
    wanted: WantedEvent
    known: Mapping[str, Recorded]
    sent: Mapping[str, Any]
    foreign: bool
    publish: bool
    _refused: dict[str, str] = field(default_factory=dict)
    _edited: set[str] = field(default_factory=set)
    _warnings: list[str] = field(default_factory=list)

    async def run(self) -> Done:
        """Raises the errors of `MispClient.send`."""
        before = await self._call(self.server.read, self.wanted.uuid)
        gone: frozenset[str] = frozenset()
        if before is None:
            await self._create()
        else:
            await self._edit_head(before)
            gone = await self._deleted(before)
        seen = await self._read()
        await self._add(seen, gone)
        withdrawn = await self._withdraw(seen)
        after = await self._read()
        await self._sight(after)
        tags = await self._tag(after)
        published = await self._publish(after)
        done = Done(after.id, published, tags, withdrawn=withdrawn, warnings=self._warnings)
        for one in self.wanted.members():
            done.became[one.uuid] = self._outcome(one, before, after, gone)
        return done

    async def _read(self) -> Snapshot:
        found = await self._call(self.server.read, self.wanted.uuid)
        if found is None:
            raise SourceDown("the server took the event and does not show it")
        return found

    async def _create(self) -> None:
        """With everything that needs no content; files follow one by one, so that one is in memory at a time."""
        objects = [
            holder.body([one.body() for one in holder.attributes]) for holder in self.wanted.objects if not _files_in(holder)
        ]
        body = {
            "uuid": self.wanted.uuid,
            **self.wanted.head,
            "Tag": [{"name": tag} for tag in self.wanted.tags],
            "Attribute": [one.body() for one in self.wanted.attributes if one.file is None],
            "Object": objects,
        }
        await self._call(self.server.create, body)

    async def _edit_head(self, before: Snapshot) -> None:
        """Only what the case changed since it was last sent: what people changed in MISP stays."""
        if self.foreign:
            return
        last = self.sent.get("head") or before.head
        changed = {name: value for name, value in self.wanted.head.items() if name in before.head and last.get(name) != value}
        if changed:
            await self._call(self.server.edit, self.wanted.uuid, {**before.head, **changed})

    async def _deleted(self, before: Snapshot) -> frozenset[str]:
        if all(before.find(one) for one in self.wanted.members()):
            return frozenset()
        return await self._call(self.server.deleted, before.id)

    async def _add(self, seen: Snapshot, gone: frozenset[str]) -> None:
        missing = [one for one in self.wanted.attributes if seen.find(one) is None and one.uuid not in gone]
        plain = [one for one in missing if one.file is None]
        for start in range(0, len(plain), BATCH):
            await self._add_batch(seen.id, plain[start : start + BATCH])
        for one in missing:
            if one.file is not None:
                await self._add_batch(seen.id, [one])
        for holder in self.wanted.objects:
            await self._add_object(seen, holder, gone)
        for one in self.wanted.members():
            found = seen.find(one)
            if found is not None and self._is_stale(one, found):
                await self._edit(one)

    async def _add_batch(self, event_id: str, batch: Sequence[WantedAttribute]) -> None:
        bodies = [await self._body(one) for one in batch]
        reasons = await self._call(self.server.add_attributes, event_id, bodies)
        self._refused |= {batch[place].uuid: reason for place, reason in reasons.items() if place < len(batch)}

    async def _add_object(self, seen: Snapshot, holder: WantedObject, gone: frozenset[str]) -> None:
        missing = [one for one in holder.attributes if one.uuid not in seen.attributes and one.uuid not in gone]
        if not missing:
            return
        body = holder.body([await self._body(one) for one in missing])
        if holder.uuid in seen.objects:
            reason = await self._call(self.server.edit_object, holder.uuid, body)
        else:
            reason = await self._call(self.server.add_object, seen.id, body)
        if reason is not None:
            self._refused |= {one.uuid: reason for one in missing}

    def _is_stale(self, one: WantedAttribute, found: Found) -> bool:
        """Whether our attribute has to be sent again. What people changed in MISP stays until the case changes it."""
        if one.foreign or found.uuid != one.uuid:
            return False
        known = self.known.get(one.uuid)
        if known is not None and known.result in ("created", "updated") and not known.withdrawn:
            return known.hash != one.fingerprint()
        return not found.says(one)

    async def _edit(self, one: WantedAttribute) -> None:
        reason = await self._call(self.server.edit_attribute, one.uuid, one.body())
        if reason is None:
            self._edited.add(one.uuid)
        else:
            self._refused[one.uuid] = reason

    async def _withdraw(self, seen: Snapshot) -> dict[str, str]:
        """Attributes that we made and the case no longer wants."""
        wanted = {one.uuid for one in self.wanted.members()}
        unwanted = [
            one
            for one in self.known.values()
            if one.uuid not in wanted
            and one.uuid in seen.attributes
            and not one.withdrawn
            and one.result in ("created", "updated")
        ]
        done = {}
        for one in unwanted:
            done[one.uuid] = await self._withdraw_one(one.uuid, seen.attributes[one.uuid])
        return done

    async def _withdraw_one(self, uuid: str, found: Found) -> str:
        if self.options.export_removed == "keep":
            return f"{WITHDRAWN}; kept in MISP"
        if self.options.export_removed == "soft_delete":
            await self._call(self.server.delete_attribute, uuid)
            return f"{WITHDRAWN}; deleted in MISP"
        comment = found.comment if WITHDRAWN in found.comment else f"{found.comment} ({WITHDRAWN})".strip()
        reason = await self._call(self.server.edit_attribute, uuid, {"to_ids": False, "comment": comment})
        if reason is not None:
            self._warnings.append(f"attribute {uuid} could not be withdrawn: {reason}")
        return f"{WITHDRAWN}; to_ids is off in MISP"

    async def _sight(self, after: Snapshot) -> None:
        """Each sighting once: MISP would count a second one."""
        for one in self.wanted.members():
            found = after.find(one)
            if found is not None and one.sighted_at is not None and one.sighted_at not in found.sighted_at:
                reason = await self._call(self.server.sighting, found.uuid, at=one.sighted_at)
                if reason is not None:
                    self._warnings.append(f"sighting of {found.uuid}: {reason}")

    async def _tag(self, after: Snapshot) -> tuple[str, ...]:
        """The tags that the event has by us. Markings of somebody else's event are that person's word."""
        wanted = [tag for tag in self.wanted.tags if not (self.foreign and tag.casefold().startswith(MARKINGS))]
        there = {tag.casefold() for tag in after.tags}
        for old in self.sent.get("tags") or ():
            if old not in wanted and old.casefold() in there:
                self._noted(old, await self._call(self.server.untag, self.wanted.uuid, old))
        return tuple([tag for tag in wanted if tag.casefold() in there or await self._tag_one(tag)])

    async def _tag_one(self, tag: str) -> bool:
        reason = await self._call(self.server.tag, self.wanted.uuid, tag)
        if reason is not None and tag == "tlp:clear":
            # servers with a taxonomy from before 2022 know the old word only
            reason = await self._call(self.server.tag, self.wanted.uuid, "tlp:white")
        return self._noted(tag, reason)

    def _noted(self, tag: str, reason: str | None) -> bool:
        if reason is not None:
            self._warnings.append(f"tag {tag}: {reason}")
        return reason is None

    async def _publish(self, after: Snapshot) -> bool:
        fresh = await self._read()  # tags and edits may have unpublished it
        if not self.publish or fresh.published:
            return fresh.published
        reason = await self._call(self.server.publish, after.id)
        if reason is not None:
            self._warnings.append(f"not published: {reason}")
        return reason is None

    def _outcome(self, one: WantedAttribute, before: Snapshot | None, after: Snapshot, gone: frozenset[str]) -> Became:
        found = after.find(one)
        known = self.known.get(one.uuid)
        if found is None:
            if one.uuid in gone:
                return Became(one.uuid, "skipped", "it was deleted in MISP")
            return Became(one.uuid, "rejected", self._refused.get(one.uuid, SILENT))
        if found.uuid != one.uuid or one.foreign:
            return Became(found.uuid, "unchanged", None if one.foreign else "MISP has it already", ours=False)
        if one.uuid in self._refused:
            return Became(one.uuid, "rejected", self._refused[one.uuid])
        fresh = known is None or known.result not in ("created", "updated")
        if fresh or before is None or one.uuid not in before.attributes:
            return Became(one.uuid, "created")
        return Became(one.uuid, "updated" if one.uuid in self._edited else "unchanged")

    async def _body(self, one: WantedAttribute) -> dict[str, Any]:
        body = one.body()
        if one.file is not None:
            body["data"] = base64.b64encode(await self.content(one.file)).decode()
            if one.type == "malware-sample" and not one.packed:
                body["encrypt"] = True  # MISP makes its archive, password `infected`
        return body

    @staticmethod
    async def _call(method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(method, *args, **kwargs)


def _files_in(holder: WantedObject) -> bool:
    return any(one.file is not None for one in holder.attributes)
