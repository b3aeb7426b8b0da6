"""What becomes of a message: the rules both buses follow, apart from how they carry it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import ValidationError

from waggle.contracts.envelope import MESSAGE_LIMIT, Envelope
from waggle.contracts.messages import MESSAGES, Message
from waggle.messaging.bus import Delivery, Handler, Poison, Refused, Retry, TooBig, Unsendable
from waggle.messaging.signing import Forged, Keyring, Signer

log = structlog.get_logger("waggle.messaging")

LADDER: Final = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds before the next try, by how many tries have failed. After the last step the message is dead."""

DELIVERY_LIMIT: Final = 20
"""Deliveries of one try without an answer: each took its consumer down, so the message is dead."""


LONGEST_REASON: Final = 2000
"""Characters kept of a dead letter's reason."""

DELIVERY_LIMIT_REASON: Final = f"delivery limit: {DELIVERY_LIMIT + 1} deliveries without an answer"


@dataclass(frozen=True, slots=True)
class Done:
    """The message was handled."""


@dataclass(frozen=True, slots=True)
class Again:
    """Deliver once more after the ladder's step of this number, counted from 0."""

    step: int


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up. Any text may turn up in a reason; `of` makes it one that both brokers can keep."""

    reason: str

    @classmethod
    def of(cls, reason: str) -> Dead:
        return cls(reason.encode(errors="replace").decode().replace("\0", "\ufffd")[:LONGEST_REASON])


Outcome = Done | Again | Dead


def seal(envelopes: Sequence[Envelope], signer: Signer) -> list[tuple[Envelope, bytes]]:
    """The signed envelopes with their encoded form. Raises Unsendable for the first that no receiver would take."""
    sealed = []
    for envelope in envelopes:
        kind = MESSAGES.get(envelope.type)
        if kind is None or kind.sender != envelope.service:
            raise Refused(envelope.id, f"{envelope.source} may not send {envelope.type}")
        if kind.addressed != bool(envelope.target):
            raise Refused(envelope.id, f"{envelope.type} needs a target" if kind.addressed else f"{envelope.type} has no target")
        body = encode(envelope)  # first: what cannot be written cannot be signed either
        signed = envelope if envelope.signature else signer.sign(envelope)
        if signed is not envelope:
            body = encode(signed)
        sealed.append((signed, body))
    return sealed


def encode(envelope: Envelope, room: int = 0) -> bytes:
    """The JSON that travels. Raises Unsendable where it cannot be written, or is over the limit less `room`."""
    try:
        body = envelope.encode()
    except TypeError as error:
        raise Unsendable(envelope.id, f"cannot be written as JSON: {error}") from error
    if len(body) > MESSAGE_LIMIT - room:
        raise TooBig(envelope.id, len(body), MESSAGE_LIMIT - room)
    return body


def mandatory(envelope: Envelope) -> bool:
    """Whether somebody must receive it. News for whoever listens may find nobody."""
    return MESSAGES[envelope.type].audience != "any"


def open_envelope(body: bytes, keyring: Keyring) -> tuple[Envelope, Message | None]:
    """The checked envelope and message of a delivery. Raises Poison with the reason where it may not be handled."""
    if len(body) > MESSAGE_LIMIT:
        raise Poison(f"over the limit of {MESSAGE_LIMIT} bytes: {len(body)}")
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError as error:
        raise Poison(f"no envelope: {_first_error(error)}") from error
    try:
        keyring.verify(envelope)
    except Forged as error:
        raise Poison(f"forged: {error}") from error
    kind = MESSAGES.get(envelope.type)
    if kind is None:
        raise Poison(f"unknown type {envelope.type}")
    if envelope.data is None:
        return envelope, None
    try:
        return envelope, kind.model_validate(envelope.data)
    except ValidationError as error:
        raise Poison(f"invalid {envelope.type}: {_first_error(error)}") from error


async def handle(
    body: bytes, *, queue: str, attempt: int, handler: Handler, keyring: Keyring, ladder: Sequence[float]
) -> Outcome:
    """Runs the handler on one delivery and says what becomes of the message; raises nothing but cancellation."""
    try:
        envelope, message = open_envelope(body, keyring)
    except Poison as poison:
        log.error("message refused", queue=queue, reason=poison.reason)
        return Dead.of(poison.reason)
    except Exception as error:
        log.error("message cannot be read", queue=queue, exc_info=error)
        return Dead.of(f"cannot be read: {type(error).__name__}: {error}")
    about = {"queue": queue, "message_id": str(envelope.id), "message_type": envelope.type, "attempt": attempt}
    try:
        await handler(Delivery(envelope, message, attempt, queue))
    except Poison as poison:
        log.error("message is poison", **about, reason=poison.reason)
        return Dead.of(poison.reason)
    except Exception as error:
        after = error.after if isinstance(error, Retry) else None
        step = _step(attempt, after, ladder)
        reason = f"{type(error).__name__}: {error}"
        if step is None:
            log.error("message given up", **about, reason=reason, exc_info=error)
            return Dead.of(f"given up after {attempt} attempts; {reason}")
        log.warning("message will be tried again", **about, reason=reason, after=ladder[step])
        return Again(step)
    return Done()


def _step(attempt: int, after: float | None, ladder: Sequence[float]) -> int | None:
    """The ladder's step for the try that follows `attempt`: never before `after`, unless even the last step is shorter."""
    if attempt > len(ladder):
        return None
    step = attempt - 1
    while after is not None and ladder[step] < after and step < len(ladder) - 1:
        step += 1
    return step


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
