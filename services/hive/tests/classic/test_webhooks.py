"""Webhooks as their consumers of TheHive 3 read them (contracts hive-v0 §5.9; trap 19)."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from hive.classic.webhooks import Webhooks
from hive.settings import Webhook
from waggle.testing import until

ALERT = {"type": "external", "source": "siem", "sourceRef": "1", "title": "Hit", "description": "d"}
PATH = "/api/config/organisation/notification"
ANY = [{"delegate": False, "trigger": {"name": "AnyEvent"}, "notifier": {"name": "webhook", "endpoint": "soar"}}]


class Consumer:
    """What arrived, and what to answer next."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.answers: list[int] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        status = self.answers.pop(0) if self.answers else 200
        if status < 500:
            self.received.append(orjson.loads(request.content))
            self.headers.append(request.headers)
        return httpx.Response(status)


@pytest.fixture
def consumer(world: Any) -> Consumer:
    world.settings.webhooks = [
        Webhook.model_validate({"name": "soar", "url": "http://soar.example/hook", "auth": {"type": "bearer", "key": "k"}})
    ]
    return Consumer()


SETTLED = "SELECT coalesce(max(txid) < pg_snapshot_xmin(pg_current_snapshot()), true) FROM audit"


async def told(world: Any, consumer: Consumer) -> list[dict[str, Any]]:
    """What is told now, once no older transaction of the server (another test's, too) holds history back."""
    await until(lambda: world.owner.fetchval(SETTLED))
    consumer.received.clear()
    async with httpx.AsyncClient(transport=httpx.MockTransport(consumer.handle)) as client:
        for webhook in world.settings.webhooks:
            await Webhooks(world.hive).tell(client, webhook)
    return list(consumer.received)


async def test_only_a_known_webhook_can_be_chosen(world: Any, consumer: Consumer) -> None:
    assert (await world.reader.put(PATH, json={"value": ANY})).status_code == 403
    for value in (1, [1], [{"trigger": {"name": "AnyEvent"}}], [{**ANY[0], "notifier": {"name": "webhook", "endpoint": "x"}}],
                  [{**ANY[0], "trigger": {"name": "Never"}}]):  # fmt: skip
        assert (await world.soc.put(PATH, json={"value": value})).status_code == 400, value
    assert (await world.soc.put(PATH, json={"value": ANY})).status_code == 204
    assert (await world.soc.get(PATH)).json()["value"] == ANY


async def test_trap_19_the_words_of_thehive_3(world: Any, consumer: Consumer) -> None:
    await world.soc.put(PATH, json={"value": ANY})
    assert await told(world, consumer) == []
    alert = (await world.soc.post("/api/alert", json=ALERT)).json()
    await world.soc.post(f"/api/alert/{alert['id']}/markAsRead")
    case = (await world.soc.post("/api/case", json={"title": "C", "description": "d"})).json()
    await world.soc.patch(f"/api/case/{case['id']}", json={"status": "Resolved", "resolutionStatus": "TruePositive"})
    await world.other.post("/api/alert", json=ALERT)
    events = await told(world, consumer)
    assert consumer.headers[0]["authorization"] == "Bearer k"
    assert [(e["objectType"], e["operation"], e["objectId"]) for e in events if e["base"]] == [
        ("alert", "Creation", alert["id"]), ("alert", "Update", alert["id"]), ("case", "Creation", case["id"]),
        ("case", "Update", case["id"]),
    ]  # fmt: skip
    read, closed = events[1], events[3]
    assert read["details"]["status"] == "Ignored" and read["details"]["read"] is True
    assert (read["object"]["sourceRef"], read["object"]["source"], read["object"]["_version"]) == ("1", "siem", 2)
    assert (closed["details"]["status"], closed["details"]["resolutionStatus"]) == ("Resolved", "TruePositive")
    assert "mergeInto" not in closed["object"]
    assert {e["organisation"] for e in events} == {"soc"}
    assert await told(world, consumer) == []


async def test_nothing_is_lost_while_the_consumer_is_away(world: Any, consumer: Consumer) -> None:
    await world.soc.put(PATH, json={"value": [{**ANY[0], "trigger": {"name": "AlertCreated"}}]})
    await told(world, consumer)
    for n in range(3):
        await world.soc.post("/api/alert", json={**ALERT, "sourceRef": str(n)})
    consumer.answers = [200, 503]
    assert [e["object"]["sourceRef"] for e in await told(world, consumer)] == ["0"]
    assert await told(world, consumer) == []  # it waits before it tries again
    row = await world.owner.fetchrow("SELECT failures, last_error FROM webhook_positions")
    assert (row["failures"], row["last_error"]) == (1, "it answers 503")
    await world.owner.execute("UPDATE webhook_positions SET next_at = now()")
    assert [e["object"]["sourceRef"] for e in await told(world, consumer)] == ["1", "2"]


async def test_excluded_organisations_and_filters(world: Any, consumer: Consumer) -> None:
    world.settings.webhooks = [
        Webhook(name="soar", url="http://soar.example/", excluded=["other"]),
        Webhook(name="all", url="http://all.example/", everything=True),
    ]
    wanted = [{**ANY[0], "trigger": {"name": "FilteredEvent", "filter": {"_field": "object.sourceRef", "_value": "2"}}}]
    for client in (world.soc, world.other):
        await client.put(PATH, json={"value": wanted})
    await told(world, consumer)
    for client in (world.soc, world.other):
        for n in (1, 2):
            await client.post("/api/alert", json={**ALERT, "sourceRef": str(n)})
    events = [(e["organisation"], e["object"]["sourceRef"]) for e in await told(world, consumer)]
    assert events == [("soc", "2"), ("soc", "1"), ("soc", "2"), ("other", "1"), ("other", "2")]


async def test_version_1_tells_in_the_words_of_the_native_api(world: Any, consumer: Consumer) -> None:
    world.settings.webhooks = [Webhook(name="soar", url="http://soar.example/", version=1)]
    await world.soc.put(PATH, json={"value": [{**ANY[0], "trigger": {"name": "AlertCreated"}}]})
    await told(world, consumer)
    alert = await world.alert(tlp=4)
    await world.soc.delete(f"/api/v1/alert/{alert['_id']}")
    (event,) = await told(world, consumer)
    assert (event["operation"], event["action"], event["objectType"], event["objectId"], event["_type"]) == (
        "create", "create", "alert", alert["_id"], "Audit",
    )  # fmt: skip
    assert (event["organisation"], event["object"]) == ("soc", {})
    case = await world.case(tlp=4)
    await world.soc.put(PATH, json={"value": ANY})
    events = await told(world, consumer)
    (made,) = [one for one in events if one["objectType"] == "case"]
    assert (made["object"]["_id"], made["object"]["_type"], made["object"]["tlp"]) == (case["_id"], "Case", 4)
