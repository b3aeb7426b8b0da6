"""Polling a MISP server: what arrives, what a second poll changes, and what goes wrong on the way."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import pytest
from misp_double import Asked, Fault, MispDouble
from misp_harness import Connector


def domain(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "domain", "value": value, **more}


def values(envelope: dict[str, Any]) -> list[str]:
    return [o.get("data") or o["file"]["name"] for o in envelope["data"]["observables"]]


class TestFirstPoll:
    async def test_a_published_event_becomes_one_message(self, connector: Connector) -> None:
        with MispDouble() as misp:
            identity = misp.state.add(
                {"info": "Phishing", "Tag": ["tlp:green"], "Attribute": [domain("bad.example", comment="C2")]}
            )
            await connector.add("partner", misp.url, organisations=["soc"])
            await connector.poll()
        (envelope,) = await connector.sent()
        assert envelope["key"] == f"misp:partner:{identity}"
        assert envelope["organisation"] == "soc"
        alert = envelope["data"]["alert"]
        assert (alert["type"], alert["source"], alert["source_ref"], alert["tlp"]) == ("misp", "partner", "1", "GREEN")
        (observable,) = envelope["data"]["observables"]
        assert (observable["data_type"], observable["data"], observable["message"]) == ("domain", "bad.example", "C2")
        assert observable["origin"]["event"] == identity
        assert envelope["data"]["complete"] is True

    async def test_unpublished_events_are_left_alone(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "draft", "Attribute": [domain("a.example")]}, published=False)
            await connector.add("partner", misp.url)
            await connector.poll()
        assert await connector.sent() == []

    async def test_an_event_without_attributes_is_an_alert_all_the_same(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "empty"})
            await connector.add("partner", misp.url)
            await connector.poll()
        (envelope,) = await connector.sent()
        assert envelope["data"]["observables"] == []

    async def test_every_organisation_gets_its_own_message(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            await connector.add("partner", misp.url, organisations=["north", "south"])
            await connector.poll()
        first, second = await connector.sent()
        assert {first["organisation"], second["organisation"]} == {"north", "south"}
        assert first["id"] != second["id"]

    async def test_the_server_may_lie_under_a_path_and_compress(self, connector: Connector) -> None:
        with MispDouble(prefix="/tools/misp/", compressed=True) as misp:
            misp.state.add({"info": "x"})
            await connector.add("partner", misp.url.rstrip("/"))
            await connector.poll()
        assert len(await connector.sent()) == 1

    async def test_two_servers_with_the_same_numbers_do_not_meet(self, connector: Connector) -> None:
        with MispDouble() as one, MispDouble() as other:
            one.state.add({"info": "first"})
            other.state.add({"info": "second"})
            await connector.add("partner", one.url)
            await connector.add("sector", other.url)
            await connector.poll("partner")
            await connector.poll("sector")
        found = {(e["data"]["alert"]["source"], e["data"]["alert"]["title"]) for e in await connector.sent()}
        assert found == {("partner", "#1 first"), ("sector", "#1 second")}

    async def test_state_and_news_tell_how_it_went(self, connector: Connector) -> None:
        with MispDouble() as misp:
            await connector.add("partner", misp.url)
            await connector.poll()
        state = await connector.state()
        assert state["server_version"] == "2.5.1" and state["last_ok"] and state["last_error"] is None
        told = [e["data"]["status"] for e in await connector.sent("misp.instance_changed.v1")]
        assert told == ["PENDING", "OK"]

    async def test_an_instance_that_names_no_organisation_has_the_default_receivers(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            await connector.add("partner", misp.url)
            await connector.poll()
        assert [e["organisation"] for e in await connector.sent()] == ["soc"]

    async def test_an_instance_whose_alerts_nobody_receives_says_so(self, connector: Connector) -> None:
        await connector.rows("DELETE FROM receivers")
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            await connector.add("partner", misp.url)
            await connector.poll()
            assert misp.requests == []
        assert "nobody receives its alerts" in (await connector.state())["last_error"]


class TestSecondPoll:
    async def test_an_unchanged_event_changes_nothing_and_costs_one_request(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "x", "Attribute": [domain("a.example")]})
            await connector.add("partner", misp.url)
            await connector.poll()
            await connector.forget_sent()
            misp.requests.clear()
            await connector.poll()
            assert [request.path for request in misp.requests] == ["events/index"]
        assert await connector.sent() == []

    async def test_a_republished_event_without_a_visible_change_sends_nothing(self, connector: Connector) -> None:
        with MispDouble() as misp:
            identity = misp.state.add({"info": "x", "Attribute": [domain("a.example")]})
            await connector.add("partner", misp.url)
            await connector.poll()
            await connector.forget_sent()
            misp.state.clock += 10
            misp.state.publish(identity)
            await connector.poll()
        assert await connector.sent() == []
        assert (await connector.events())[identity]["publish_timestamp"] == misp.state.clock

    async def test_a_changed_event_updates_the_same_alert(self, connector: Connector) -> None:
        with MispDouble() as misp:
            identity = misp.state.add({"info": "x", "Attribute": [domain("a.example"), domain("b.example")]})
            gone, edited = (a["uuid"] for a in misp.state.events[identity]["Attribute"])
            await connector.add("partner", misp.url)
            await connector.poll()
            misp.state.clock += 60
            misp.state.delete_attribute(identity, gone)
            misp.state.edit_attribute(identity, edited, comment="sinkholed")
            misp.state.add_attribute(identity, domain("c.example"))
            misp.state.publish(identity)
            await connector.poll()
        first, second = await connector.sent()
        assert first["id"] != second["id"] and first["key"] == second["key"]
        assert first["data"]["alert"]["source_ref"] == second["data"]["alert"]["source_ref"]
        assert second["data"]["alert"]["last_sync_date"] > first["data"]["alert"]["last_sync_date"]
        assert values(second) == ["b.example", "c.example"]
        assert second["data"]["observables"][0]["message"] == "sinkholed"
        assert second["data"]["removed"] == [gone]

    async def test_a_hard_deletion_is_noticed_and_stays_known(self, connector: Connector) -> None:
        with MispDouble() as misp:
            identity = misp.state.add({"info": "x", "Attribute": [domain("a.example"), domain("b.example")]})
            gone = misp.state.events[identity]["Attribute"][0]["uuid"]
            await connector.add("partner", misp.url)
            await connector.poll()
            for hour in range(2):
                misp.state.clock += 3600
                if hour == 0:
                    misp.state.delete_attribute(identity, gone, hard=True)
                else:
                    misp.state.set(identity, info="y")
                misp.state.publish(identity)
                await connector.poll()
        assert [e["data"]["removed"] for e in await connector.sent()] == [[], [gone], [gone]]

    async def test_an_edit_is_no_news_before_it_is_published(self, connector: Connector) -> None:
        """Threat R06: attributes that come between the last poll and the publication are not missed."""
        with MispDouble() as misp:
            identity = misp.state.add({"info": "x", "Attribute": [domain("a.example")]})
            await connector.add("partner", misp.url)
            await connector.poll()
            misp.state.clock += 30
            misp.state.add_attribute(identity, domain("b.example"))
            misp.state.add({"info": "published meanwhile"})
            await connector.poll()
            misp.state.clock += 30
            misp.state.publish(identity)
            await connector.poll()
        of_event = [e for e in await connector.sent() if e["key"].endswith(identity)]
        assert [values(e) for e in of_event] == [["a.example"], ["a.example", "b.example"]]

    async def test_a_publication_dated_before_the_cursor_is_found_within_the_overlap(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "on time"})
            await connector.add("partner", misp.url, overlap=120)
            await connector.poll()
            misp.state.clock -= 100
            misp.state.add({"info": "committed late"})
            await connector.poll()
        assert [e["data"]["alert"]["title"] for e in await connector.sent()] == ["#1 on time", "#2 committed late"]

    async def test_reading_again_sends_what_did_not_change_under_a_new_id(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            await connector.add("partner", misp.url)
            await connector.poll()
            await connector.poll(since=0)
        first, second = await connector.sent()
        assert first["id"] != second["id"]
        assert first["data"] == second["data"]

    async def test_a_rebuilt_server_does_not_overwrite_another_events_alert(self, connector: Connector) -> None:
        with MispDouble() as misp:
            old = misp.state.add({"info": "old"})
            await connector.add("partner", misp.url)
            await connector.poll()
            misp.state.delete(old)
            misp.state.clock += 60
            new = misp.state.add({"info": "new"}, number="1")
            await connector.poll()
        first, second = (e["data"]["alert"]["source_ref"] for e in await connector.sent())
        assert (first, second) == ("1", new)
        (gone,) = await connector.sent("alert.source_gone.v1")
        assert gone["data"]["event_uuids"] == [old]


class TestPaging:
    async def test_no_event_is_lost_between_pages(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(23):
                misp.state.clock += n % 3
                misp.state.add({"info": f"event {n}"})
            for identity in list(misp.state.events)[:5]:
                misp.state.clock += 1
                misp.state.publish(identity)
            await connector.add("partner", misp.url, page_size=5)
            await connector.poll()
        assert len(await connector.sent()) == 23

    async def test_more_events_of_one_second_than_a_page_holds_all_arrive(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(30):
                misp.state.add({"info": f"event {n}"})
            misp.state.clock += 1
            misp.state.add({"info": "after"})
            await connector.add("partner", misp.url, page_size=4)
            await connector.poll()
        assert len(await connector.sent()) == 31

    async def test_events_withdrawn_or_republished_between_pages_hide_nobody(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(20):
                misp.state.clock += 1
                misp.state.add({"info": f"event {n}"})
            order = list(misp.state.events)

            def meanwhile(asked: Asked) -> None:
                if asked.path == "events/index" and len(misp.asked("events/index")) == 1:
                    misp.state.clock += 1
                    misp.state.unpublish(order[1])
                    misp.state.delete(order[2])
                    misp.state.publish(order[0])

            misp.after = meanwhile
            await connector.add("partner", misp.url, page_size=5)
            await connector.poll()
            (cursor,) = await connector.rows("SELECT publish_timestamp FROM cursors")
            assert cursor["publish_timestamp"] == misp.state.clock
        sent = {e["key"].rpartition(":")[2] for e in await connector.sent()}
        assert sent >= {identity for identity in order if identity not in order[1:3]}

    async def test_the_cursor_waits_for_the_whole_list(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(6):
                misp.state.clock += 1
                misp.state.add({"info": f"event {n}"})
            await connector.add("partner", misp.url, page_size=2)
            misp.faults = [Fault("html500", "events/index", '"page":3')]
            await connector.poll()
            assert await connector.rows("SELECT * FROM cursors") == []
            assert len(await connector.sent()) == 4
            misp.faults = []
            await connector.poll()
        assert len(await connector.sent()) == 6


class TestFilters:
    @pytest.mark.parametrize(
        ("options", "imported"),
        [
            ({"include_orgs": ["example cert"]}, True),
            ({"include_orgs": ["Other"]}, False),
            ({"exclude_orgs": ["00000000-0000-0000-0000-000000000002"]}, False),
            ({"include_tags": ["osint:*"]}, True),
            ({"include_tags": ["OSINT:*"]}, False),
            ({"exclude_tags": ["tlp:red"]}, True),
            ({"exclude_tags": ["osint:source"]}, False),
            ({"max_attributes": 1}, False),
            ({"max_attributes": 2}, True),
            ({"max_age": "1d"}, False),
        ],
    )
    async def test_events_are_filtered_with_a_reason(self, connector: Connector, options: dict[str, Any], imported: bool) -> None:
        with MispDouble() as misp:
            identity = misp.state.add(
                {"info": "x", "Tag": ["osint:source"], "Attribute": [domain("a.example"), domain("b.example")]}
            )
            await connector.add("partner", misp.url, **options)
            await connector.poll()
        assert len(await connector.sent()) == int(imported)
        if not imported and "max_age" not in options:
            event = (await connector.events())[identity]
            assert event["state"] == "filtered" and event["reason"]

    async def test_a_filtered_event_is_read_no_second_time(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            await connector.add("partner", misp.url, include_tags=["never"])
            await connector.poll()
            await connector.poll()
            assert misp.asked("restSearch") == []


class TestFiles:
    async def test_attachments_travel_as_claims_and_samples_stay_packed(self, connector: Connector) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("d41d8cd98f00b204e9800998ecf8427e", b"")
            archive.writestr("d41d8cd98f00b204e9800998ecf8427e.filename.txt", b"evil.exe")
        attachment = {"type": "attachment", "value": "report.pdf", "data": base64.b64encode(b"%PDF").decode(), "to_ids": False}
        sample = {
            "type": "malware-sample",
            "value": "evil.exe|d41d8cd98f00b204e9800998ecf8427e",
            "data": base64.b64encode(packed.getvalue()).decode(),
        }
        with MispDouble() as misp:
            misp.state.add({"info": "x", "Attribute": [attachment, sample]})
            await connector.add("partner", misp.url)
            await connector.poll()
        (envelope,) = await connector.sent()
        report, archive_file, digest = envelope["data"]["observables"]
        assert report["file"]["name"] == "report.pdf" and report["file"]["content_type"] == "application/pdf"
        assert archive_file["file"]["name"] == "evil.exe.zip" and "password infected" in archive_file["message"]
        assert digest["data"] == "d41d8cd98f00b204e9800998ecf8427e"
        stored = b"".join([chunk async for chunk in connector.runtime.blobs.open(report["file"]["sha256"])])
        assert stored == b"%PDF"
        assert report["file"]["url"].endswith(f"/api/claims/{report['file']['sha256']}")

    async def test_a_file_over_the_limit_is_named_and_not_imported(self, connector: Connector) -> None:
        big = {"type": "attachment", "value": "dump.bin", "data": base64.b64encode(b"x" * 5000).decode()}
        with MispDouble() as misp:
            misp.state.add({"info": "x", "Attribute": [big]})
            await connector.add("partner", misp.url, max_attachment_size=4000)
            await connector.poll()
        (envelope,) = await connector.sent()
        (observable,) = envelope["data"]["observables"]
        assert (observable["data_type"], observable["data"]) == ("other", "dump.bin")
        assert "over the limit" in observable["message"]

    async def test_an_event_over_the_bus_limit_is_a_claim(self, connector: Connector) -> None:
        many = [domain(f"host-{n}.example", comment="c" * 60) for n in range(1500)]
        with MispDouble() as misp:
            misp.state.add({"info": "big", "Attribute": many})
            await connector.add("partner", misp.url)
            await connector.poll()
        (envelope,) = await connector.sent()
        assert "data" not in envelope
        content = b"".join([chunk async for chunk in connector.runtime.blobs.open(envelope["data_ref"]["sha256"])])
        assert len(content) == envelope["data_ref"]["size"] > 256 * 1024
        assert content.count(b"host-") == 1500


class TestFaults:
    async def test_one_bad_event_never_stops_the_rest(self, connector: Connector) -> None:
        with MispDouble() as misp:
            events = [misp.state.add({"info": f"event {n}"}) for n in range(4)]
            misp.state.events[events[3]]["uuid"] = "no uuid"
            misp.faults = [
                Fault("html500", "events/restSearch", '"eventid":"1"'),
                Fault("truncated", "events/restSearch", '"eventid":"2"'),
            ]
            await connector.add("partner", misp.url)
            await connector.poll()
        assert [e["data"]["alert"]["title"] for e in await connector.sent()] == ["#3 event 2"]
        states = await connector.events()
        assert [states[e]["state"] for e in events[:3]] == ["failed", "failed", "sent"]
        assert all(states[e]["next_retry_at"] and states[e]["reason"] for e in events[:2])
        assert (await connector.state())["last_error"] is None

    async def test_a_failed_event_is_tried_again_and_then_arrives(self, connector: Connector) -> None:
        with MispDouble() as misp:
            identity = misp.state.add({"info": "late"})
            misp.faults = [Fault("reset", "events/restSearch", times=1)]
            await connector.add("partner", misp.url)
            await connector.poll()
            assert await connector.sent() == []
            await connector.rows("UPDATE events SET next_retry_at = now()")
            await connector.poll()
        assert len(await connector.sent()) == 1
        event = (await connector.events())[identity]
        assert (event["state"], event["retries"], event["next_retry_at"]) == ("sent", 0, None)

    async def test_events_that_keep_failing_are_retried_with_growing_pauses(self, connector: Connector) -> None:
        pauses = []
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            misp.faults = [Fault("html500", "events/restSearch")]
            await connector.add("partner", misp.url)
            for _ in range(5):
                await connector.rows("UPDATE events SET next_retry_at = now() WHERE state = 'failed'")
                await connector.poll()
                (row,) = await connector.rows("SELECT round(extract(epoch FROM next_retry_at - now())) AS s FROM events")
                pauses.append(int(row["s"]))
        assert pauses == [60, 300, 900, 3600, 3600]

    async def test_many_failures_in_a_row_are_the_servers(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(8):
                misp.state.add({"info": f"event {n}"})
            misp.faults = [Fault("html500", "events/restSearch")]
            await connector.add("partner", misp.url)
            await connector.poll()
        state = await connector.state()
        assert "5 events in a row" in state["last_error"] and state["failures"] == 1

    @pytest.mark.parametrize("kind", ["html500", "html200", "reset", "truncated"])
    async def test_a_server_that_is_down_is_an_error_with_back_off(self, connector: Connector, kind: str) -> None:
        with MispDouble() as misp:
            misp.state.add({"info": "x"})
            misp.faults = [Fault(kind, "events/index")]
            await connector.add("partner", misp.url)
            pauses = []
            for _ in range(3):
                await connector.poll()
                (row,) = await connector.rows("SELECT round(extract(epoch FROM next_poll_at - now())) AS s FROM instance_states")
                pauses.append(int(row["s"]))
            assert pauses == [15, 30, 60]
            assert (await connector.state())["last_error"]
            misp.faults = []
            await connector.poll()
        assert (await connector.state())["last_error"] is None
        assert len(await connector.sent()) == 1

    async def test_a_refused_key_waits_for_the_interval(self, connector: Connector) -> None:
        with MispDouble() as misp:
            await connector.add("partner", misp.url, key="wrong", interval="1h")
            await connector.poll()
        state = await connector.state()
        assert "403" in state["last_error"] or "Authentication failed" in state["last_error"]
        (row,) = await connector.rows("SELECT round(extract(epoch FROM next_poll_at - now())) AS s FROM instance_states")
        assert row["s"] == 3600

    async def test_a_rate_limit_is_waited_out_and_nothing_is_lost(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(3):
                misp.state.add({"info": f"event {n}"})
            misp.faults = [Fault("429", "events/restSearch", '"eventid":"2"', times=1, seconds=77)]
            await connector.add("partner", misp.url)
            await connector.poll()
            (row,) = await connector.rows("SELECT round(extract(epoch FROM next_poll_at - now())) AS s FROM instance_states")
            assert row["s"] == 77
            await connector.poll()
        assert len(await connector.sent()) == 3

    async def test_a_server_that_does_not_answer_is_given_up(self, connector: Connector) -> None:
        with MispDouble() as misp:
            misp.faults = [Fault("stall", "events/index", seconds=3)]
            await connector.add("partner", misp.url, read_timeout=1)
            await connector.poll()
        assert "imed out" in (await connector.state())["last_error"]

    async def test_an_answer_over_the_limit_is_not_read_whole(self, connector: Connector) -> None:
        with MispDouble(compressed=True) as misp:
            identity = misp.state.add({"info": "bomb", "Attribute": [{"type": "text", "value": "0" * 3_000_000}]})
            misp.state.clock += 1
            misp.state.add({"info": "fine"})
            await connector.add("partner", misp.url, max_size=1024, max_attachment_size=0)
            await connector.poll()
        assert [e["data"]["alert"]["title"] for e in await connector.sent()] == ["#2 fine"]
        assert "over" in (await connector.events())[identity]["reason"]


class TestMany:
    async def test_small_events_are_read_together_and_all_arrive(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(30):
                misp.state.add({"info": f"event {n}", "Attribute": [{"type": "domain", "value": f"d{n}.example"}]})
            misp.state.add({"info": "file", "Attribute": [{"type": "attachment", "value": "a.txt", "data": "aGk="}]})
            await connector.add("partner", misp.url)
            await connector.poll()
            titles = {m["data"]["alert"]["title"].partition(" ")[2] for m in await connector.sent()}
            assert titles == {f"event {n}" for n in range(30)} | {"file"}
            assert len(misp.asked("events/restSearch")) < 10
            await connector.forget_sent()
            await connector.poll()
            assert await connector.sent() == []

    async def test_a_bad_one_among_them_is_found_and_the_others_arrive(self, connector: Connector) -> None:
        with MispDouble() as misp:
            for n in range(12):
                misp.state.add({"info": f"event {n}", "Attribute": [{"type": "domain", "value": f"d{n}.example"}]})
            misp.faults = [Fault("truncated", "events/restSearch", body='"5"')]
            await connector.add("partner", misp.url)
            await connector.poll()
        states = [row["state"] for row in (await connector.events()).values()]
        assert sorted(states) == ["failed"] + ["sent"] * 11
        assert len(await connector.sent()) == 11
