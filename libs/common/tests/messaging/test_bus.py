"""The promises of the bus. Every test runs on both carriers: a promise that only one of them keeps is a bug."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import orjson
import pytest

from waggle.contracts.envelope import MESSAGE_LIMIT
from waggle.contracts.messages import AlertRaised
from waggle.ids import uuid7
from waggle.messaging import (
    Bus,
    BusUnavailable,
    DeadLetter,
    Delivery,
    Handler,
    Poison,
    Queue,
    QueueDepth,
    Refused,
    Retry,
    TooBig,
    Unroutable,
    Unsendable,
)
from waggle.testing import until

from .support import (
    LADDER,
    LEASE,
    Carrier,
    Inbox,
    Process,
    alert_raised,
    analysis_requested,
    keyring,
    running,
    signer,
    source_gone,
)


class TestAccess:
    async def test_a_forged_signature_is_a_dead_letter(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        queue = carrier.queue()
        forged = signer("cortex").sign(alert_raised())
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([forged])
            letters = await until(lambda: hive.dead(queue.name))
        assert letters[0].reason == "forged: the signature is not that of misp-connector"
        assert letters[0].message_id == forged.id
        assert inbox.got == []

    async def test_a_changed_envelope_is_a_dead_letter(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        queue = carrier.queue()
        changed = signer("misp-connector").sign(alert_raised()).model_copy(update={"organisation": "other"})
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([changed])
            letters = await until(lambda: hive.dead(queue.name))
        assert letters[0].reason.startswith("forged: the signature")
        assert inbox.got == []

    async def test_an_unknown_sender_is_a_dead_letter(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        queue = carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([alert_raised(source="misp-connector@elsewhere")])
            letters = await until(lambda: hive.dead(queue.name))
        assert letters[0].reason == "forged: unknown sender misp-connector@elsewhere"
        assert inbox.got == []

    async def test_an_organisation_the_sender_may_not_speak_for_is_a_dead_letter(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive", keys=keyring(misp_connector=["acme"])), carrier.bus("misp-connector"), Inbox()
        queue = carrier.queue()
        good = alert_raised(organisation="acme")
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([alert_raised(organisation="other"), alert_raised(organisation=None), good])
            await until(lambda: inbox.got)
            letters = await until(lambda: _at_least(hive.dead(queue.name), 2))
        assert {letter.reason for letter in letters} == {
            "forged: misp-connector may not speak for other",
            "forged: misp-connector may not speak for the platform",
        }
        assert inbox.ids == [good.id]

    async def test_a_type_of_another_service_is_not_sent(self, carrier: Carrier) -> None:
        cortex = carrier.bus("cortex")
        async with running(cortex):
            with pytest.raises(Refused, match=r"cortex may not send alert\.raised\.v1"):
                await cortex.publish([alert_raised(source="cortex")])

    async def test_the_broker_refuses_a_type_of_another_service(self, carrier: Carrier) -> None:
        """Even if the service's own code were changed: its login has no right to that topic."""
        hive, cortex, inbox = carrier.bus("hive"), carrier.bus("cortex"), Inbox()
        async with running(hive, cortex):
            await hive.subscribe(carrier.queue(), inbox)
            with pytest.raises(Exception, match=r"may not publish|refused|REFUSED"):
                await cortex.publish([signer("misp-connector").sign(alert_raised())])
            await asyncio.sleep(0.2)
        assert inbox.got == []

    async def test_a_queue_of_another_service_cannot_be_read(self, carrier: Carrier) -> None:
        hive, cortex, misp = carrier.bus("hive"), carrier.bus("cortex"), carrier.bus("misp-connector")
        inbox, thief, queue = Inbox(), Inbox(), carrier.queue()
        async with running(hive, cortex, misp):
            await hive.subscribe(queue, inbox)
            subscribing = asyncio.create_task(cortex.subscribe(queue, thief))
            await asyncio.wait([subscribing], timeout=1)
            await misp.publish([alert_raised(n) for n in range(5)])
            await until(lambda: len(inbox.got) == 5)
            with pytest.raises(Exception, match=r"may not use the queue|refused|REFUSED"):
                await cortex.dead(queue.name)
            subscribing.cancel()
            await asyncio.gather(subscribing, return_exceptions=True)
        assert thief.got == []


class TestPublish:
    async def test_what_was_published_is_handled_with_all_its_fields(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        queue = carrier.queue()
        sent = alert_raised(
            actor="poller", causation_id=uuid7(), traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        )
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([sent])
            await until(lambda: inbox.got)
            await until(lambda: _is_empty(hive, queue.name))
        delivery = inbox.got[0]
        assert delivery.envelope.model_copy(update={"signature": ""}) == sent
        assert isinstance(delivery.message, AlertRaised)
        assert delivery.message.alert.title == "Event 1"
        assert (delivery.attempt, delivery.queue) == (1, queue.name)

    async def test_text_arrives_as_it_was(self, carrier: Carrier) -> None:
        """Escapes, numbers and unknown fields pass unchanged, or the signature would not fit any more."""
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        data = alert_raised().data
        assert data is not None
        odd = {**data, "later": [1e16, 1.0, "\u0000", "日本語", "😀"], "z": None}
        async with running(hive, misp):
            await hive.subscribe(carrier.queue(), inbox)
            await misp.publish([alert_raised(data=odd, field_of_a_later_version="x")])
            await until(lambda: inbox.got)
        assert inbox.got[0].envelope.data == odd

    async def test_publish_returns_when_the_message_is_safe(self, carrier: Carrier) -> None:
        """Confirmed, then the broker loses its power, then it is there."""
        hive, misp, inbox, queue = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox(), carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, Inbox())
        sender = carrier.bus("misp-connector")
        async with running(sender):
            await sender.publish(sent := [alert_raised(n) for n in range(20)])
            await carrier.stop(kill=True)
            await carrier.start()
            receiver = carrier.bus("hive")
            async with running(receiver):
                await receiver.subscribe(queue, inbox)
                await until(lambda: len(inbox.got) >= 20)
        assert set(inbox.ids) == {envelope.id for envelope in sent}

    async def test_a_message_nobody_takes_is_an_error_and_the_others_are_sent(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        taken, lost = alert_raised(), source_gone()
        async with running(hive, misp):
            await hive.subscribe(carrier.queue("alerts", "alert.raised.v1"), inbox)
            with pytest.raises(Unroutable) as raised:
                await misp.publish([taken, lost])
            await until(lambda: inbox.got)
        assert raised.value.ids == (lost.id,)
        assert inbox.ids == [taken.id]

    async def test_news_for_anybody_may_find_nobody(self, carrier: Carrier) -> None:
        hive = carrier.bus("hive")
        state = {"severity": 2, "tlp": "AMBER", "status": "New", "stage": "New"}
        data = {"id": "~1", "type": "t", "source": "s", "source_ref": "r", "title": "x", **state}
        async with running(hive):
            await hive.publish([alert_raised(type="alert.created.v1", source="hive", data=data)])

    async def test_a_request_goes_to_the_instance_it_names(self, carrier: Carrier) -> None:
        hive, cortex, here, there = carrier.bus("hive"), carrier.bus("cortex"), Inbox(), Inbox()
        paris, rome = _of_cortex(carrier.queue("paris")), _of_cortex(carrier.queue("rome"))
        carrier.queues += [paris, rome]
        async with running(hive, cortex):
            await cortex.subscribe(paris, here)
            await cortex.subscribe(rome, there)
            await hive.publish([analysis_requested("paris")])
            await until(lambda: here.got)
            with pytest.raises(Unroutable):
                await hive.publish([analysis_requested("london")])
        assert there.got == []

    async def test_a_request_without_an_instance_is_not_sent(self, carrier: Carrier) -> None:
        hive = carrier.bus("hive")
        async with running(hive):
            with pytest.raises(Refused, match="needs a target"):
                await hive.publish([analysis_requested("x").model_copy(update={"target": None})])

    async def test_a_text_that_utf8_cannot_hold_is_refused(self, carrier: Carrier) -> None:
        misp = carrier.bus("misp-connector")
        async with running(misp):
            with pytest.raises(Unsendable, match="cannot be written as JSON"):
                await misp.publish([alert_raised(actor="half a pair: \ud83d")])

    async def test_too_big_is_refused_before_anything_is_sent(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        big = source_gone(data={"instance": "x" * MESSAGE_LIMIT, "event_uuids": []})
        async with running(hive, misp):
            await hive.subscribe(carrier.queue(), inbox)
            with pytest.raises(TooBig) as raised:
                await misp.publish([alert_raised(), big])
            await asyncio.sleep(0.2)
        assert raised.value.message_id == big.id
        assert inbox.got == []

    async def test_a_broker_that_is_away_is_an_error_within_bounded_time(self, carrier: Carrier) -> None:
        misp = carrier.bus("misp-connector")
        async with running(misp):
            await carrier.stop(kill=False)
            try:
                await until(lambda: not misp.healthy)
                began = time.monotonic()
                with pytest.raises(BusUnavailable):
                    await misp.publish([alert_raised()])
                took = time.monotonic() - began
            finally:
                await carrier.start()
            await until(lambda: misp.healthy)
        assert took < 12

    async def test_a_bus_may_start_before_its_broker(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        await carrier.stop(kill=False)
        started = False
        try:
            async with running(hive, misp):
                await hive.subscribe(carrier.queue(), inbox)
                assert not hive.healthy
                await carrier.start()
                started = True
                await until(lambda: hive.healthy and misp.healthy)
                await until(lambda: _published(misp))
                await until(lambda: inbox.got)
        finally:
            if not started:
                await carrier.start()


class TestRetry:
    async def test_a_failed_message_comes_back_later_with_its_attempt_counted(self, carrier: Carrier) -> None:
        hive, misp = carrier.bus("hive"), carrier.bus("misp-connector")
        inbox, queue = Inbox(RuntimeError("no"), Retry(), None), carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([alert_raised()])
            await until(lambda: len(inbox.got) == 3)
            await until(lambda: _is_empty(hive, queue.name))
        assert [delivery.attempt for delivery in inbox.got] == [1, 2, 3]
        assert len(set(inbox.ids)) == 1
        assert inbox.times[1] - inbox.times[0] >= LADDER[0]
        assert inbox.times[2] - inbox.times[1] >= LADDER[1]

    async def test_a_handler_may_ask_for_more_time(self, carrier: Carrier) -> None:
        hive, misp, inbox = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox(Retry(after=0.15))
        async with running(hive, misp):
            await hive.subscribe(carrier.queue(), inbox)
            await misp.publish([alert_raised()])
            await until(lambda: len(inbox.got) == 2)
        assert inbox.times[1] - inbox.times[0] >= 0.15

    async def test_a_waiting_message_is_counted_as_delayed(self, carrier: Carrier) -> None:
        slow = (5.0, 0.1, 0.2)
        hive, misp, inbox, queue = (
            carrier.bus("hive", ladder=slow),
            carrier.bus("misp-connector"),
            Inbox(Retry()),
            carrier.queue(),
        )
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([alert_raised()])
            depth = await until(lambda: _depth(hive, queue.name, lambda d: d.delayed == 1))
        assert (depth.ready, depth.dead) == (0, 0)

    async def test_after_the_last_step_it_is_a_dead_letter_with_the_reason(self, carrier: Carrier) -> None:
        hive, misp = carrier.bus("hive"), carrier.bus("misp-connector")
        inbox, queue, sent = Inbox(*[ValueError("never")] * 10), carrier.queue(), alert_raised()
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([sent])
            letters = await until(lambda: hive.dead(queue.name))
            # Looking at dead letters takes them out for a moment on RabbitMQ.
            depth = await until(lambda: _depth(hive, queue.name, lambda d: d.dead == 1))
        assert len(inbox.got) == len(LADDER) + 1
        assert letters[0].message_id == sent.id
        assert letters[0].reason == f"given up after {len(LADDER) + 1} attempts; ValueError: never"
        assert letters[0].attempts == len(LADDER) + 1
        assert abs(letters[0].died_at - sent.time) < 60_000
        assert (depth.ready, depth.delayed, depth.dead) == (0, 0, 1)

    async def test_the_queue_goes_on_while_a_message_waits(self, carrier: Carrier) -> None:
        hive, misp, handled = carrier.bus("hive"), carrier.bus("misp-connector"), []
        bad = alert_raised()

        async def handler(delivery: Delivery) -> None:
            if delivery.envelope.id == bad.id:
                raise RuntimeError("poisonous")
            handled.append(delivery.envelope.id)

        queue = carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, handler)
            await misp.publish([bad, *(others := [alert_raised(n) for n in range(10)])])
            await until(lambda: len(handled) == 10)
            await until(lambda: hive.dead(queue.name))
        assert set(handled) == {other.id for other in others}


class TestDeadLetters:
    async def test_poison_is_dead_at_once(self, carrier: Carrier) -> None:
        hive, misp, inbox, queue = (
            carrier.bus("hive"),
            carrier.bus("misp-connector"),
            Inbox(Poison("not for us")),
            carrier.queue(),
        )
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([alert_raised()])
            letters = await until(lambda: hive.dead(queue.name))
        assert [letter.reason for letter in letters] == ["not for us"]
        assert len(inbox.got) == 1

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"not json", "no envelope: "),
            (b"{}", "no envelope: id: Field required"),
            (b"[]", "no envelope: "),
            (b'{"id":' * 400, "no envelope: "),
        ],
    )
    async def test_a_body_that_is_no_envelope_is_dead_at_once(self, carrier: Carrier, body: bytes, reason: str) -> None:
        hive, inbox, queue = carrier.bus("hive"), Inbox(), carrier.queue()
        async with running(hive):
            await hive.subscribe(queue, inbox)
            await carrier.put_raw(queue, body)
            letters = await until(lambda: hive.dead(queue.name))
            assert letters[0].reason.startswith(reason)
            assert letters[0].body == body
            assert await hive.resend(queue.name, letters[0].message_id)
            await until(lambda: hive.dead(queue.name))
        assert inbox.got == []

    @pytest.mark.parametrize("value", ["1" * 40, "[" * 200 + "]" * 200, '"\\ud83d"'], ids=["integer", "depth", "surrogate"])
    async def test_what_cannot_be_checked_is_dead_at_once(self, carrier: Carrier, value: str) -> None:
        """JSON that can be read but not written again, so that no signature can be checked."""
        hive, inbox, queue = carrier.bus("hive"), Inbox(), carrier.queue()
        body = alert_raised(data={"x": "HERE"}).encode().replace(b'"HERE"', value.encode())
        async with running(hive):
            await hive.subscribe(queue, inbox)
            await carrier.put_raw(queue, body)
            letters = await until(lambda: hive.dead(queue.name))
        assert letters[0].body == body
        assert inbox.got == []

    async def test_any_text_may_be_a_reason(self, carrier: Carrier) -> None:
        hive, misp, queue = carrier.bus("hive"), carrier.bus("misp-connector"), carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, Inbox(Poison("a\0b \ud83d " + "x" * 300_000)))
            await misp.publish([alert_raised()])
            letters = await until(lambda: hive.dead(queue.name))
        assert letters[0].reason.startswith("a\ufffdb ? x")
        assert len(letters[0].reason) == 2000

    async def test_data_of_the_wrong_form_is_dead_at_once(self, carrier: Carrier) -> None:
        hive, misp, inbox, queue = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox(), carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([alert_raised(data={"alert": {"title": 3}})])
            letters = await until(lambda: hive.dead(queue.name))
        assert letters[0].reason.startswith("invalid alert.raised.v1: alert.")
        assert inbox.got == []

    async def test_a_dead_letter_can_be_sent_again(self, carrier: Carrier) -> None:
        hive, misp = carrier.bus("hive"), carrier.bus("misp-connector")
        first, second, queue = alert_raised(1), alert_raised(2), carrier.queue()
        inbox = Inbox(Poison("a"), Poison("b"))
        async with running(hive, misp):
            await hive.subscribe(queue, inbox)
            await misp.publish([first])
            await misp.publish([second])
            await until(lambda: _at_least(hive.dead(queue.name), 2))
            assert await hive.resend(queue.name, second.id)
            await until(lambda: len(inbox.got) == 3)
            await until(lambda: _is_empty(hive, queue.name))
            left = await hive.dead(queue.name)
            assert not await hive.resend(queue.name, second.id)
        assert inbox.ids[-1] == second.id
        assert inbox.got[-1].attempt == 1
        assert [letter.message_id for letter in left] == [first.id]

    async def test_looking_at_dead_letters_does_not_use_them_up(self, carrier: Carrier) -> None:
        hive, misp, queue = carrier.bus("hive"), carrier.bus("misp-connector"), carrier.queue()
        async with running(hive, misp):
            await hive.subscribe(queue, Inbox(*[Poison("x")] * 3))
            await misp.publish([alert_raised(n) for n in range(3)])
            await until(lambda: _at_least(hive.dead(queue.name), 3))
            for _ in range(25):
                assert len(await until(lambda: _at_least(hive.dead(queue.name, limit=2), 2))) == 2
            assert len(await until(lambda: _at_least(hive.dead(queue.name), 3))) == 3


class TestConsumers:
    async def test_competing_consumers_share_the_messages(self, carrier: Carrier) -> None:
        one, two, misp = carrier.bus("hive"), carrier.bus("hive"), carrier.bus("misp-connector")
        queue = carrier.queue()
        handled: dict[str, list[UUID]] = {"one": [], "two": []}

        def handler(name: str) -> Handler:
            async def handle(delivery: Delivery) -> None:
                await asyncio.sleep(0.01)
                handled[name].append(delivery.envelope.id)

            return handle

        async with running(one, two, misp):
            await one.subscribe(queue, handler("one"), prefetch=4, concurrency=2)
            await two.subscribe(queue, handler("two"), prefetch=4, concurrency=2)
            await misp.publish(sent := [alert_raised(n) for n in range(100)])
            await until(lambda: len(handled["one"]) + len(handled["two"]) >= 100)
        everything = handled["one"] + handled["two"]
        assert sorted(everything) == sorted(envelope.id for envelope in sent)
        assert min(len(ids) for ids in handled.values()) >= 10

    async def test_no_more_handlers_run_at_once_than_allowed(self, carrier: Carrier) -> None:
        hive, misp, running_now, most = carrier.bus("hive"), carrier.bus("misp-connector"), 0, 0
        done: list[UUID] = []

        async def handler(delivery: Delivery) -> None:
            nonlocal running_now, most
            running_now += 1
            most = max(most, running_now)
            await asyncio.sleep(0.02)
            running_now -= 1
            done.append(delivery.envelope.id)

        async with running(hive, misp):
            await hive.subscribe(carrier.queue(), handler, concurrency=3)
            await misp.publish([alert_raised(n) for n in range(20)])
            await until(lambda: len(done) == 20)
        assert most == 3

    async def test_the_message_of_a_killed_consumer_is_delivered_again(self, carrier: Carrier) -> None:
        hive, misp, inbox, queue = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox(), carrier.queue()
        process = Process("consumer", carrier, "hive", queue=queue.name, patterns=queue.patterns, ladder=LADDER)
        async with running(hive, misp):
            await until(lambda: _published(misp))
            begun = (await process.line()).split()
            process.kill()
            await hive.subscribe(queue, inbox)
            await until(lambda: inbox.got)
        assert begun == [str(inbox.ids[0]), "1"]
        assert inbox.got[0].attempt == 1

    async def test_a_handler_may_take_longer_than_the_lease(self, carrier: Carrier) -> None:
        one, two, misp, got = carrier.bus("hive"), carrier.bus("hive"), carrier.bus("misp-connector"), []
        queue = carrier.queue()

        async def slow(delivery: Delivery) -> None:
            got.append(delivery.envelope.id)
            await asyncio.sleep(LEASE * 2)

        async with running(one, two, misp):
            await one.subscribe(queue, slow)
            await two.subscribe(queue, slow)
            await misp.publish([alert_raised()])
            await until(lambda: got)
            await asyncio.sleep(LEASE * 2)
            await until(lambda: _is_empty(one, queue.name))
            await until(lambda: _is_empty(two, queue.name))
        assert len(got) == 1

    async def test_closing_lets_the_running_handler_end_and_gives_the_rest_back(self, carrier: Carrier) -> None:
        first, misp, queue, done = carrier.bus("hive"), carrier.bus("misp-connector"), carrier.queue(), []
        begun = asyncio.Event()

        async def handler(delivery: Delivery) -> None:
            begun.set()
            await asyncio.sleep(0.4)
            done.append(delivery.envelope.id)

        second, inbox = carrier.bus("hive"), Inbox()
        async with running(misp):
            await first.start()
            await first.subscribe(queue, handler, concurrency=1)
            await misp.publish(sent := [alert_raised(n) for n in range(5)])
            await asyncio.wait_for(begun.wait(), 10)
            await first.close()
            assert len(done) == 1
            async with running(second):
                await second.subscribe(queue, inbox)
                await until(lambda: len(inbox.got) == 4, seconds=LEASE + 5)
                await asyncio.sleep(0.2)
        assert sorted([*done, *inbox.ids]) == sorted(envelope.id for envelope in sent)

    async def test_a_message_that_kills_its_consumers_is_a_dead_letter_in_the_end(self, carrier: Carrier) -> None:
        """The delivery limit, reached the quick way: the broker's counter is driven by giving the message back."""
        hive, queue = carrier.bus("hive"), carrier.queue()
        async with running(hive):
            await hive.subscribe(queue, Inbox())
            await until(lambda: _is_empty(hive, queue.name))
        async with running(misp := carrier.bus("misp-connector")):
            await misp.publish([alert_raised()])
        await carrier.crash(queue, 21)
        watcher, inbox = carrier.bus("hive"), Inbox()
        async with running(watcher):
            await watcher.subscribe(queue, inbox)
            letters = await until(lambda: watcher.dead(queue.name))
        assert letters[0].reason.startswith("delivery limit: ")
        assert inbox.got == []


def _of_cortex(queue: Queue) -> Queue:
    _, unique, instance = queue.name.split(".")
    return Queue(f"cortex.{unique}-{instance}.analysis", (f"analysis.requested.v1.{instance}",))


async def _published(bus: Bus) -> bool:
    try:
        await bus.publish([alert_raised()])
    except (BusUnavailable, Unroutable):
        return False
    return True


async def _at_least(letters: Awaitable[list[DeadLetter]], count: int) -> list[DeadLetter] | None:
    found = await letters
    return found if len(found) >= count else None


async def _depth(bus: Bus, queue: str, wanted: Callable[[QueueDepth], bool]) -> QueueDepth | None:
    depth = (await bus.depths())[queue]
    return depth if wanted(depth) else None


async def _is_empty(bus: Bus, queue: str) -> bool:
    depth = (await bus.depths())[queue]
    return (depth.ready, depth.delayed, depth.in_hand) == (0, 0, 0)


def test_the_envelope_is_json_that_any_client_reads() -> None:
    envelope = alert_raised()
    assert orjson.loads(envelope.encode())["id"] == str(envelope.id)
