"""One event from its source into the outbox: fetch, map, compare with what was sent, write, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.claims.service import store_claim
from misp_connector.exporting import records as exports
from misp_connector.instances.model import Instance
from misp_connector.mapping.alert import map_event
from misp_connector.mapping.changes import change_set
from misp_connector.mapping.event import Event, UnreadableEvent, parse_event
from misp_connector.mapping.model import Mapped
from misp_connector.mapping.observables import holds_file
from misp_connector.polling import lease, ledger
from misp_connector.polling.files import collect_files
from misp_connector.polling.filters import too_many_attributes
from misp_connector.polling.threads import in_thread
from misp_connector.publishing.alert_raised import NAMESPACE, envelopes_of, message_of
from misp_connector.publishing.envelopes import envelope_of
from misp_connector.sources.source import EventUnreadable, Head, Source
from waggle.blobs import BlobStore
from waggle.contracts.messages.alerts import AlertSourceGone
from waggle.db import Database, Scope
from waggle.messaging.outbox import enqueue

OWN = "our own export"


class LeaseLost(Exception):
    """Somebody else polls the instance, or it was changed: this poll ends without a trace of its last step."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Of hive, who is told of an event; with a case, the one that was exported as this event."""

    organisation: str
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports events of one leased instance."""

    database: Database
    blobs: BlobStore
    claims_url: str
    lease: lease.Lease
    source: Source
    organisations: tuple[str, ...]
    """Of hive, that receive the alerts."""
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A source takes one call at a time."""

    @property
    def instance(self) -> Instance:
        return self.lease.instance

    async def run(self, head: Head, event: Event) -> str:
        """What became of the event: `sent`, `unchanged` or `filtered`. Raises the source's errors and LeaseLost."""
        async with self.database.begin(Scope()) as session:
            own = await exports.own_attributes(session, uuid=event.uuid)
            owners = await exports.owners(session, uuid=event.uuid)
            renumbered = await ledger.others_with_number(session, instance=self.instance.id, head=head)
        if owners and all(attribute.uuid in own for attribute, _ in event.members()):
            return await self._filter(head, OWN)
        receivers = [Receiver(*owner) for owner in owners] or [Receiver(name) for name in self.organisations]
        skip = too_many_attributes(sum(1 for _ in event.members()), options=self.instance.options)
        if skip:
            return await self._filter(head, skip)
        if renumbered:
            event = replace(event, id=None)  # the number belongs to another event's alert: the UUID names this one's
        async with self.reading:
            files = await collect_files(event, source=self.source, options=self.instance.options, store=self._store)
        mapped = map_event(event, options=self.instance.mapping_options(), files=files, own=own)
        async with self.database.begin(Scope()) as session:
            await self._hold(session)
            return await self._write(session, head=head, event=event, mapped=mapped, renumbered=renumbered, receivers=receivers)

    async def _filter(self, head: Head, reason: str) -> str:
        async with self.database.begin(Scope()) as session:
            await self._hold(session)
            await ledger.settled(session, instance=self.instance.id, head=head, state="filtered", reason=reason)
        return "filtered"

    async def read(self, head: Head) -> Event:
        """The event at its source, which may be asked for while another one is written. Raises the source's errors."""
        try:
            async with self.reading:
                event = parse_event(await in_thread(self.source.fetch, head))
        except UnreadableEvent as error:
            raise EventUnreadable(str(error)) from None
        if event.uuid != head.uuid:
            raise EventUnreadable(f"the source gave event {event.uuid} instead")
        return event

    async def read_many(self, heads: Sequence[Head]) -> list[tuple[Head, Event]]:
        """Those of several events that one request gave; the others are read by themselves. Raises the source's errors."""
        async with self.reading:
            documents = await in_thread(self.source.fetch_many, heads)
        wanted = {head.uuid: head for head in heads}
        found = []
        for document in documents:
            try:
                event = parse_event(document)
            except UnreadableEvent:
                continue
            if event.uuid in wanted:
                found.append((wanted.pop(event.uuid), event))
        return found

    async def run_many(self, events: Sequence[tuple[Head, Event]]) -> dict[str, str]:
        """What became of several events, by UUID, in one transaction: all or none. What needs more than that is left out:

        events with files, those that are folded or exported by us, too large or renumbered.
        """
        plain = [(head, event) for head, event in events if self._is_plain(event)]
        async with self.database.begin(Scope()) as session:
            special = await exports.involved(session, uuids=[event.uuid for _, event in plain])
            for head, event in plain:
                if event.uuid not in special and await ledger.others_with_number(session, instance=self.instance.id, head=head):
                    special.add(event.uuid)
        options, receivers = self.instance.mapping_options(), [Receiver(name) for name in self.organisations]
        mapped = [(head, e, map_event(e, options=options, files={})) for head, e in plain if e.uuid not in special]
        async with self.database.begin(Scope()) as session:
            await self._hold(session)
            return {
                event.uuid: await self._write(session, head=head, event=event, mapped=one, renumbered=[], receivers=receivers)
                for head, event, one in sorted(mapped, key=lambda each: each[1].uuid)
            }

    def _is_plain(self, event: Event) -> bool:
        members = [attribute for attribute, _ in event.members()]
        too_many = too_many_attributes(len(members), options=self.instance.options)
        return not self.instance.options.fold and not too_many and not any(holds_file(attribute) for attribute in members)

    async def _store(self, content: bytes) -> str:
        async with self.database.begin(Scope()) as session:
            return await store_claim(session, self.blobs, content=content)

    async def _hold(self, session: AsyncSession) -> None:
        if not await lease.keep(session, self.lease):
            raise LeaseLost

    async def _write(
        self,
        session: AsyncSession,
        *,
        head: Head,
        event: Event,
        mapped: Mapped,
        renumbered: list[str],
        receivers: Sequence[Receiver],
    ) -> str:
        instance = self.instance
        known = await ledger.lock_event(session, instance=instance.id, head=head)
        if instance.options.fold:
            mapped = await self._folded(session, mapped)
        changes = change_set(await ledger.known_attributes(session, instance=instance.id, uuid=event.uuid), mapped.outcomes)
        fingerprint = mapped.fingerprint()
        unchanged = known.payload_hash == fingerprint and known.state != "seen"
        if not unchanged:
            key = f"misp:{instance.name}:{event.uuid}"
            moment = f"{event.timestamp}:{event.publish_timestamp}:{fingerprint}:r{known.revision}"
            for case_id in dict.fromkeys(receiver.case_id for receiver in receivers):
                envelopes = await envelopes_of(
                    session,
                    self.blobs,
                    message_of(mapped, removed=changes.removed, claims_url=self.claims_url, case_id=case_id),
                    natural_key=f"{instance.id}:{key}:{moment}",
                    key=key,
                    organisations=[receiver.organisation for receiver in receivers if receiver.case_id == case_id],
                    claims_url=self.claims_url,
                )
                await enqueue(session, envelopes)
        if renumbered:
            await self._tell_gone(session, renumbered, event.uuid)
        await ledger.keep_attributes(session, instance=instance.id, event=event.uuid, outcomes=mapped.outcomes, changes=changes)
        await ledger.sent(session, instance=instance.id, head=head, payload_hash=fingerprint)
        return "unchanged" if unchanged else "sent"

    async def _folded(self, session: AsyncSession, mapped: Mapped) -> Mapped:
        """As part of the alert that the event made first, whichever instance told of it."""
        alert = mapped.alert
        found = await ledger.alert_of(session, instance=self.instance.id, uuid=mapped.event_uuid)
        source, ref = found or (alert.source, alert.source_ref)
        await ledger.goes_into(session, instance=self.instance.id, uuid=mapped.event_uuid, source=source, ref=ref)
        return replace(mapped, alert=replace(alert, source=source, source_ref=ref))

    async def _tell_gone(self, session: AsyncSession, uuids: list[str], successor: str) -> None:
        """The events that had this one's number before the server was rebuilt."""
        message = AlertSourceGone.model_validate({"instance": self.instance.name, "event_uuids": uuids})
        natural = f"gone:{self.instance.id}:{successor}:{','.join(sorted(uuids))}"
        key = f"misp:{self.instance.name}:{UUID(uuids[0])}"
        envelopes = [
            envelope_of(message, id=uuid5(NAMESPACE, f"{natural}:{organisation}"), key=key, organisation=organisation)
            for organisation in self.organisations
        ]
        await enqueue(session, envelopes)
