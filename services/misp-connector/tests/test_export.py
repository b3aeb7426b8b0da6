"""Cases become MISP events: who may, what leaves, what is held back, and the same event at every further export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

import pytest
from misp_double import ROLE, Fault, MispDouble
from misp_harness import Connector, Exporting

PUBLISHER = {**ROLE, "perm_publish": True}


@pytest.fixture
def misp() -> Iterator[MispDouble]:
    with MispDouble() as double:
        yield double


def by_value(misp: MispDouble, identity: str) -> dict[str, dict[str, Any]]:
    return {a["value"]: a for a, _ in misp.state.attributes(misp.state.events[identity]) if not a["deleted"]}


def results(answer: dict[str, Any]) -> dict[str, str]:
    return {one["observable_id"]: one["result"] for one in answer["results"]}


class TestWhoMay:
    @pytest.mark.parametrize(
        ("change", "organisation", "says"),
        [
            ("SET enabled = false", "soc", "disabled"),
            ("SET purpose = 'ImportOnly'", "soc", "only imports"),
            ("SET kind = 'feed', key_sealed = NULL", "soc", "feed"),
            ("SET version = version", "stranger", "no organisation of partner"),
        ],
    )
    async def test_refused_at_once_and_for_good(
        self, connector: Connector, exporting: Exporting, change: str, organisation: str, says: str
    ) -> None:
        await connector.add("partner", "http://127.0.0.1:9/")
        await connector.rows(f"UPDATE instances {change}")
        answer = await exporting.export(exporting.case(), organisation=organisation)
        assert says in answer["error"] and answer["retryable"] is False

    async def test_an_instance_that_is_not_there(self, exporting: Exporting) -> None:
        answer = await exporting.export(exporting.case(), instance="nobody")
        assert "no instance nobody" in answer["error"] and answer["retryable"] is False

    @pytest.mark.parametrize("missing", ["perm_add"])
    async def test_a_role_that_may_not_write(
        self, connector: Connector, exporting: Exporting, misp: MispDouble, missing: str
    ) -> None:
        misp.role[missing] = False
        await connector.add("partner", misp.url)
        answer = await exporting.export(exporting.case())
        assert "permission" in answer["error"] and answer["retryable"] is False and not misp.state.events

    async def test_a_key_that_is_refused(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        await connector.add("partner", misp.url, key="x" * 40)
        answer = await exporting.export(exporting.case())
        assert "Authentication failed" in answer["error"] and answer["retryable"] is False


class TestWhatLeaves:
    async def test_a_case_becomes_an_event(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        await connector.add("partner", misp.url)
        case = exporting.case(
            exporting.observable(1, "ip", "203.0.113.7", message="C2"),
            exporting.observable(2, "domain", "Evil.Example"),
            exporting.observable(3, "hash", "A" * 64),
            exporting.observable(4, "other", "cve-2021-44228"),
            exporting.observable(5, "fqdn", "www.evil.example", tlp="GREEN"),
            exporting.observable(6, "domain", "benign.example", ioc=False),
            tlp="AMBER",
            techniques=[{"pattern_id": "T1566", "name": "Phishing"}],
        )
        answer = await exporting.export(case)
        event = misp.state.events[case["event_uuid"]]
        assert (event["info"], event["date"], event["threat_level_id"], event["analysis"], event["distribution"]) == (
            "Intrusion", "2023-11-14", "1", "1", "0",
        )  # fmt: skip
        assert not event["published"]
        assert {t["name"] for t in event["Tag"]} == {
            "tlp:amber", "PAP:AMBER", 'misp-galaxy:mitre-attack-pattern="Phishing - T1566"',
        }  # fmt: skip
        stored = by_value(misp, case["event_uuid"])
        assert {value: (a["category"], a["type"], a["to_ids"]) for value, a in stored.items()} == {
            "203.0.113.7": ("Network activity", "ip-dst", True),
            "evil.example": ("Network activity", "domain", True),
            "a" * 64: ("Payload delivery", "sha256", True),
            "CVE-2021-44228": ("External analysis", "vulnerability", True),
            "www.evil.example": ("Network activity", "hostname", True),
        }
        assert stored["203.0.113.7"]["comment"] == "C2"
        assert [t["name"] for t in stored["www.evil.example"]["Tag"]] == ["tlp:green"]
        assert results(answer) == {**{f"~{n}": "created" for n in range(1, 6)}, "~6": "skipped"}
        assert answer["event_id"] == event["id"] and answer["strategy"] == "create"

    async def test_uuids_are_those_of_this_hive_and_case(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        """Two hives with the same case number never meet."""
        await connector.add("partner", misp.url)
        other = "99999999-0000-4000-8000-00000000abcd"
        one = exporting.case(exporting.observable(1, "domain", "a.example"), number=1)
        two = exporting.case(exporting.observable(1, "domain", "a.example"), number=1, namespace=other)
        await exporting.export(one)
        await exporting.export(two, organisation="soc")
        assert len(misp.state.events) == 2
        event, attribute = one["event_uuid"], by_value(misp, one["event_uuid"])["a.example"]["uuid"]
        assert attribute == str(uuid5(UUID(one["namespace"]), f"{event}|domain|a.example"))
        assert by_value(misp, two["event_uuid"])["a.example"]["uuid"] != attribute

    async def test_red_and_marked_ones_never_leave_and_are_named(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url, export_scope="all")
        case = exporting.case(
            exporting.observable(1, "domain", "secret.example", tlp="RED"),
            exporting.observable(2, "domain", "unknown.example", tlp="TLP:PURPLE"),
            exporting.observable(3, "domain", "ours.example", tags=["misp:no-export"]),
            exporting.observable(4, "domain", "free.example"),
            held=[{"observable_id": "~5", "reason": "TLP:RED"}],
        )
        answer = await exporting.export(case)
        assert sorted(answer["held"]) == ["~1", "~2", "~3", "~5"]
        assert results(answer) == {"~1": "held", "~2": "held", "~3": "held", "~5": "held", "~4": "created"}
        assert set(by_value(misp, case["event_uuid"])) == {"free.example"}
        asked = str([request.body for request in misp.requests])
        assert not [word for word in ("secret.", "unknown.", "ours.") if word in asked]

    async def test_a_half_that_is_held_does_not_leave_inside_the_other(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        source = {
            "attribute": str(UUID(int=7)),
            "type": "domain|ip",
            "category": "Network activity",
            "value": "a.example|192.0.2.1",
        }
        origin = {"instance": "else", "event": str(UUID(int=8)), "sources": [source]}
        case = exporting.case(
            exporting.observable(1, "domain", "a.example", origin=origin),
            exporting.observable(2, "ip", "192.0.2.1", origin=origin, tlp="RED"),
        )
        await exporting.export(case)
        assert set(by_value(misp, case["event_uuid"])) == {"a.example"}
        case["observables"][1]["tlp"] = "AMBER"
        await exporting.export(case)
        assert "a.example|192.0.2.1" in by_value(misp, case["event_uuid"])

    @pytest.mark.parametrize(
        ("tlp", "distribution"), [("RED", "0"), ("AMBER+STRICT", "0"), ("AMBER", "3"), ("GREEN", "3"), ("CLEAR", "3")]
    )
    async def test_the_marking_caps_the_distribution(
        self, connector: Connector, exporting: Exporting, misp: MispDouble, tlp: str, distribution: str
    ) -> None:
        await connector.add("partner", misp.url, export_distribution=3)
        case = exporting.case(tlp=tlp)
        await exporting.export(case)
        event = misp.state.events[case["event_uuid"]]
        assert event["distribution"] == distribution
        assert f"tlp:{tlp.lower()}" in [tag["name"] for tag in event["Tag"]]

    async def test_settings_say_what_goes_along(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        misp.role = {**PUBLISHER}
        await connector.add(
            "partner", misp.url, export_scope="all", export_case_tags=True, export_observable_tags=True, export_case_link=True,
            export_publish=True, export_distribution=4, export_sharing_group=9,
        )  # fmt: skip
        case = exporting.case(
            exporting.observable(1, "domain", "a.example", ioc=False, tags=["apt", 'misp:type="domain"', "tlp:red"]),
            tags=["campaign", "src:CERT"],
            first_seen=None,
        )
        answer = await exporting.export(case)
        event = misp.state.events[case["event_uuid"]]
        stored = by_value(misp, case["event_uuid"])
        assert (event["distribution"], event["sharing_group_id"], event["published"]) == ("4", "9", True)
        assert {t["name"] for t in event["Tag"]} == {"tlp:amber", "PAP:AMBER", "campaign"}
        assert [t["name"] for t in stored["a.example"]["Tag"]] == ["apt"] and stored["a.example"]["to_ids"] is False
        assert (stored["http://hive.test/cases/1"]["type"], stored["http://hive.test/cases/1"]["category"]) == (
            "link", "Internal reference",
        )  # fmt: skip
        assert answer["published"] is True
        draft = await exporting.export({**case, "title": "Renamed"}, publish=False)
        assert draft["published"] is False and misp.state.events[case["event_uuid"]]["info"] == "Renamed"

    async def test_what_the_role_may_not_do_is_a_warning(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        misp.known_tags = {"tlp:white", "PAP:AMBER"}
        await connector.add("partner", misp.url)
        case = exporting.case(
            exporting.observable(1, "domain", "a.example", tlp="CLEAR"),
            tlp="CLEAR",
            techniques=[{"pattern_id": "T1", "name": "x"}],
        )
        answer = await exporting.export(case, publish=True)
        assert {t["name"] for t in misp.state.events[case["event_uuid"]]["Tag"]} == {"tlp:white", "PAP:AMBER"}
        assert ["misp-galaxy" in answer["warnings"][0], "not published" in answer["warnings"][1]] == [True, True]
        assert results(answer) == {"~1": "created"}


class TestFilesAndObjects:
    async def test_a_file_is_an_object_with_its_hashes(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        content = exporting.file("mal|ware.exe", b"MZ harmless")
        case = exporting.case(exporting.observable(1, "file", None, file=content))
        answer = await exporting.export(case)
        (holder,) = misp.state.events[case["event_uuid"]]["Object"]
        stored = {a["object_relation"]: a for a in holder["Attribute"]}
        assert (holder["name"], holder["meta-category"], holder["template_uuid"]) == (
            "file", "file", "688c46fb-5edb-40a3-8273-1af7923e2215",
        )  # fmt: skip
        assert set(stored) == {"malware-sample", "filename", "md5", "sha1", "sha256", "size-in-bytes"}
        assert stored["malware-sample"]["value"].endswith(content["md5"])
        assert stored["sha256"]["value"] == content["sha256"] and stored["size-in-bytes"]["to_ids"] is False
        assert results(answer) == {"~1": "created"}
        assert results(await exporting.export(case)) == {"~1": "unchanged"}

    async def test_lone_samples_and_attachments(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        await connector.add("partner", misp.url, export_objects=False, max_attachment_size=20)
        case = exporting.case(
            exporting.observable(1, "file", None, file=exporting.file("a.exe", b"MZ")),
            exporting.observable(2, "file", None, file=exporting.file("report.txt", b"text"), tags=["benign"]),
            exporting.observable(3, "file", None, file=exporting.file("big.bin", b"x" * 21)),
        )
        answer = await exporting.export(case)
        stored = {a["type"]: a for a in misp.state.events[case["event_uuid"]]["Attribute"]}
        assert set(stored) == {"malware-sample", "attachment"}
        assert (stored["attachment"]["category"], stored["attachment"]["to_ids"]) == ("External analysis", False)
        assert results(answer) == {"~1": "created", "~2": "created", "~3": "skipped"}
        assert "over the limit" in answer["results"][-1]["reason"]

    async def test_analysts_group_what_belongs_together(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        pair, mail = ['misp:group="domain-ip:1"'], ['misp:group="email:lure"']
        case = exporting.case(
            exporting.observable(1, "domain", "a.example", tags=pair),
            exporting.observable(2, "ip", "192.0.2.1", tags=pair),
            exporting.observable(3, "mail", "x@a.example", tags=mail),
            exporting.observable(4, "mail-subject", "Invoice", tags=mail),
            exporting.observable(5, "url", "http://a.example/", tags=pair),
        )
        await exporting.export(case)
        event = misp.state.events[case["event_uuid"]]
        assert {o["name"]: {(a["object_relation"], a["type"]) for a in o["Attribute"]} for o in event["Object"]} == {
            "domain-ip": {("domain", "domain"), ("ip", "ip-dst")},
            "email": {("from", "email-src"), ("subject", "email-subject")},
        }
        assert [a["type"] for a in event["Attribute"]] == ["url"]


class TestAgain:
    async def test_only_the_difference_is_written(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        await connector.add("partner", misp.url)
        case = exporting.case(exporting.observable(1, "domain", "a.example"), exporting.observable(2, "ip", "192.0.2.1"))
        await exporting.export(case)
        misp.requests.clear()
        assert results(await exporting.export(case)) == {"~1": "unchanged", "~2": "unchanged"}
        assert not [
            r
            for r in misp.requests
            if r.path.startswith(("events/add", "events/edit", "attributes/add", "attributes/edit", "tags"))
        ]
        case["observables"] = [
            exporting.observable(1, "domain", "a.example", message="now with a comment"),
            exporting.observable(2, "ip", "192.0.2.1"),
            exporting.observable(3, "url", "http://b.example/"),
        ]
        case["tlp"] = "GREEN"
        for one in case["observables"]:
            one["tlp"] = "GREEN"
        assert results(await exporting.export(case)) == {"~1": "updated", "~2": "unchanged", "~3": "created"}
        assert {t["name"] for t in misp.state.events[case["event_uuid"]]["Tag"]} == {"tlp:green", "PAP:AMBER"}
        assert len(misp.state.events) == 1

    async def test_what_people_change_in_misp_stays(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        await connector.add("partner", misp.url)
        case = exporting.case(exporting.observable(1, "domain", "a.example"), exporting.observable(2, "domain", "b.example"))
        await exporting.export(case)
        identity = case["event_uuid"]
        stored = by_value(misp, identity)
        misp.state.edit_attribute(identity, stored["a.example"]["uuid"], comment="seen at our place", to_ids=False)
        misp.state.delete_attribute(identity, stored["b.example"]["uuid"])
        misp.state.set(identity, info="Their title")
        answer = await exporting.export(case)
        assert results(answer) == {"~1": "unchanged", "~2": "skipped"}
        assert by_value(misp, identity)["a.example"]["comment"] == "seen at our place"
        assert misp.state.events[identity]["info"] == "Their title"

    @pytest.mark.parametrize(
        ("setting", "to_ids", "gone"), [("keep", True, False), ("unset_ids", False, False), ("soft_delete", None, True)]
    )
    async def test_what_is_no_ioc_any_more(
        self, connector: Connector, exporting: Exporting, misp: MispDouble, setting: str, to_ids: bool | None, gone: bool
    ) -> None:
        await connector.add("partner", misp.url, export_removed=setting)
        case = exporting.case(exporting.observable(1, "domain", "a.example"), exporting.observable(2, "domain", "b.example"))
        await exporting.export(case)
        case["observables"] = [exporting.observable(1, "domain", "a.example")]
        answer = await exporting.export(case)
        stored = by_value(misp, case["event_uuid"])
        assert ("b.example" not in stored) is gone
        if not gone:
            assert stored["b.example"]["to_ids"] is to_ids
        assert results(answer) == {"~1": "unchanged", "~2": "updated"}
        misp.requests.clear()
        await exporting.export(case)
        assert not misp.asked("attributes/(edit|delete)")

    async def test_an_event_that_was_deleted_is_made_again_with_its_uuid(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        case = exporting.case(exporting.observable(1, "domain", "a.example"))
        await exporting.export(case)
        misp.state.delete(case["event_uuid"])
        assert results(await exporting.export(case)) == {"~1": "created"}
        assert list(misp.state.events) == [case["event_uuid"]]

    async def test_the_newest_request_counts_in_whatever_order_they_come(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        first, second = exporting.case(title="first"), exporting.case(title="second")
        await exporting.ask(first)
        await exporting.ask(second)
        await connector.rows("UPDATE exports SET requested_at = requested_at + 1000")
        await exporting.ask(first)
        await exporting.run()
        assert misp.state.events[first["event_uuid"]]["info"] == "second"


class TestSilence:
    async def test_what_misp_drops_without_a_word_is_found_and_explained(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        """Trap 15: 200 from events/add, and three attributes are not there."""
        await connector.add("partner", misp.url)
        case = exporting.case(
            exporting.observable(1, "ip", "not an address"),
            exporting.observable(2, "domain", "no domain!"),
            exporting.observable(3, "mail", "nobody"),
            exporting.observable(4, "domain", "good.example"),
        )
        answer = await exporting.export(case)
        assert results(answer) == {"~1": "rejected", "~2": "rejected", "~3": "rejected", "~4": "created"}
        reasons = {one["observable_id"]: one.get("reason") for one in answer["results"]}
        assert "IP address" in reasons["~1"] and "Domain name" in reasons["~2"] and "Email" in reasons["~3"]

    async def test_values_that_misp_writes_otherwise_are_the_same(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        case = exporting.case(
            exporting.observable(1, "ip", "2001:0db8:0:0::1"),
            exporting.observable(2, "autonomous-system", "AS64496"),
            exporting.observable(3, "domain", ".Evil.Example."),
            exporting.observable(4, "domain", "evil.example"),
        )
        assert set(results(await exporting.export(case)).values()) == {"created"}
        assert set(results(await exporting.export(case)).values()) == {"unchanged"}
        assert len(by_value(misp, case["event_uuid"])) == 3

    async def test_a_refused_edit_is_no_proposal(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        """Trap 16: PyMISP's own methods would propose instead."""
        await connector.add("partner", misp.url)
        case = exporting.case(exporting.observable(1, "domain", "a.example"))
        await exporting.export(case)
        misp.state.events[case["event_uuid"]] |= {"orgc_id": "2"}
        answer = await exporting.export({**case, "observables": [exporting.observable(2, "domain", "b.example")]})
        assert results(answer)["~2"] == "rejected" and not misp.asked("shadow_attributes")

    @pytest.mark.parametrize("kind", ["html500", "html200", "truncated", "reset", "429"])
    async def test_a_server_in_trouble_is_tried_again(
        self, connector: Connector, exporting: Exporting, misp: MispDouble, kind: str
    ) -> None:
        await connector.add("partner", misp.url)
        misp.faults = [Fault(kind, "events/add|attributes/add", times=2, seconds=7)]
        case = exporting.case(exporting.observable(1, "domain", "a.example"))
        failed = await exporting.export(case)
        assert failed["retryable"] is True
        (row,) = await connector.rows("SELECT next_at - now() > interval '5 seconds' AS later, state FROM exports")
        assert row == {"later": True, "state": "waiting"}
        await exporting.hurry()
        await exporting.run()
        await exporting.hurry()
        await exporting.run()
        (done,) = await connector.sent("case.exported.v1")
        assert len(await connector.sent("case.export.failed.v1")) == 1
        assert results(done["data"]) == {"~1": "created"} and len(misp.state.events) == 1


class TestTheEventItCameFrom:
    async def source(self, misp: MispDouble, *, own: bool) -> str:
        identity = misp.state.add(
            {"info": "Theirs", "Attribute": [{"type": "domain", "value": "theirs.example"}], "Tag": ["tlp:green"]}
        )
        if own:
            misp.state.events[identity] |= {"orgc_id": "1"}
        return identity

    @pytest.mark.parametrize(
        ("setting", "own", "strategy"),
        [
            ("update", True, "edit"),
            ("update", False, "extend"),
            ("extend", True, "extend"),
            ("new", True, "create"),
        ],
    )
    async def test_is_updated_extended_or_left_alone(
        self, connector: Connector, exporting: Exporting, misp: MispDouble, setting: str, own: bool, strategy: str
    ) -> None:
        await connector.add("partner", misp.url, export_strategy=setting)
        identity = await self.source(misp, own=own)
        theirs = by_value(misp, identity)["theirs.example"]["uuid"]
        source = {"attribute": theirs, "type": "domain", "category": "Network activity"}
        origin = {"instance": "partner", "event": identity, "sources": [source]}
        case = exporting.case(
            exporting.observable(1, "domain", "theirs.example", origin=origin),
            exporting.observable(2, "domain", "ours.example"),
            sources=[{"instance": "partner", "event": identity}],
        )
        for _ in range(2):
            answer = await exporting.export(case)
        assert answer["strategy"] == strategy
        assert len(misp.state.events) == (1 if strategy == "edit" else 2)
        target = misp.state.events[answer["event_uuid"]]
        assert target.get("extends_uuid") == (identity if strategy == "extend" else None)
        assert set(by_value(misp, answer["event_uuid"])) == {"theirs.example", "ours.example"}
        if strategy == "edit":
            assert target["info"] == "Theirs" and [t["name"] for t in target["Tag"]] == ["tlp:green"]
            assert by_value(misp, identity)["theirs.example"]["uuid"] == theirs

    async def test_an_event_the_server_does_not_know_is_not_extended(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.add("partner", misp.url)
        case = exporting.case(sources=[{"instance": "other", "event": str(UUID(int=5))}])
        assert (await exporting.export(case))["strategy"] == "create"


class TestKeptUpToDate:
    @pytest.mark.parametrize("auto", [True, False])
    async def test_new_iocs_follow_where_the_instance_is_set_so(
        self, connector: Connector, exporting: Exporting, misp: MispDouble, auto: bool
    ) -> None:
        await connector.add("partner", misp.url, export_auto=auto)
        case = exporting.case(exporting.observable(1, "domain", "a.example"))
        await exporting.export(case)
        case["observables"] = [*case["observables"], exporting.observable(2, "domain", "b.example")]
        await exporting.tell_of_change(case, "partner", "deleted")
        await exporting.run()
        assert ("b.example" in by_value(misp, case["event_uuid"])) is auto

    async def test_a_sighting_goes_back_once(self, connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
        await connector.add("partner", misp.url, export_sightings=True)
        await connector.add("silent", misp.url)
        case = exporting.case(exporting.observable(1, "domain", "a.example", sighted_at=1_700_000_001_000))
        await exporting.export(case, instance="silent")
        assert "Sighting" not in by_value(misp, case["event_uuid"])["a.example"]
        for _ in range(2):
            await exporting.export(case)
        (sighting,) = by_value(misp, case["event_uuid"])["a.example"]["Sighting"]
        assert (sighting["type"], sighting["date_sighting"]) == ("0", "1700000001")


class TestNoEcho:
    async def test_own_events_never_come_back_as_alerts(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        misp.role = {**PUBLISHER}
        with MispDouble() as second:
            await connector.add("partner", misp.url)
            await connector.add("second", second.url)
            case = exporting.case(exporting.observable(1, "domain", "a.example"))
            await exporting.export(case, publish=True)
            second.state.add(misp.state.events[case["event_uuid"]])  # the servers synchronise among themselves
            for name in ("partner", "second"):
                await connector.poll(name)
        assert await connector.sent() == []
        assert {row["reason"] for row in (await connector.events()).values()} == {"our own export"}

    async def test_what_others_add_goes_to_the_case_alone(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        await connector.rows("INSERT INTO receivers VALUES ('bystander')")
        await connector.add("partner", misp.url)
        case = exporting.case(exporting.observable(1, "domain", "a.example"))
        await exporting.export(case)
        misp.state.add_attribute(case["event_uuid"], {"type": "domain", "value": "added.example"})
        misp.state.publish(case["event_uuid"])
        await connector.poll()
        (told,) = await connector.sent()
        assert (told["organisation"], told["data"]["case_id"]) == ("soc", case["case_id"])
        assert [one["data"] for one in told["data"]["observables"]] == ["added.example"]

    async def test_what_we_added_to_their_event_is_not_news(
        self, connector: Connector, exporting: Exporting, misp: MispDouble
    ) -> None:
        identity = misp.state.add({"info": "Theirs", "Attribute": [{"type": "domain", "value": "theirs.example"}]})
        misp.state.events[identity] |= {"orgc_id": "1"}
        await connector.add("partner", misp.url)
        await connector.poll()
        case = exporting.case(
            exporting.observable(1, "domain", "ours.example"), sources=[{"instance": "partner", "event": identity}]
        )
        await exporting.export(case)
        misp.state.clock += 500
        misp.state.publish(identity)
        await connector.forget_sent()
        await connector.poll()
        told = [one["data"] for envelope in await connector.sent() for one in envelope["data"]["observables"]]
        assert "ours.example" not in told


async def test_no_timeout_is_ever_missing(connector: Connector, exporting: Exporting, misp: MispDouble) -> None:
    """Trap 16 once more, for writing: a server that hangs does not hang us."""
    await connector.add("partner", misp.url, read_timeout=1)
    misp.faults = [Fault("stall", "events/add", seconds=3, times=1)]
    answer = await exporting.export(exporting.case())
    assert "Timeout" in answer["error"] and answer["retryable"] is True


async def test_an_own_event_without_attributes_does_not_come_back_either(
    connector: Connector, exporting: Exporting, misp: MispDouble
) -> None:
    await connector.add("partner", misp.url)
    case = exporting.case()
    await exporting.export(case)
    misp.state.publish(case["event_uuid"])
    await connector.poll()
    assert await connector.sent() == []
