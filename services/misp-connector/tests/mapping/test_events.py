from __future__ import annotations

import json
from typing import Any

import pytest
from misp_samples import EVENT_UUID, attribute, event, options, uuid_of

from misp_connector.mapping.alert import map_event
from misp_connector.mapping.event import UnreadableEvent, parse_event
from misp_connector.mapping.model import Mapped, MissingFile, Observable, Reason, StoredFile


def mapped(document: Any, files: Any = None, **more: Any) -> Mapped:
    return map_event(parse_event(document), options=options(**more), files=files or {})


def only(document: Any, **more: Any) -> Observable:
    (observable,) = mapped(document, **more).observables
    return observable


class TestReading:
    @pytest.mark.parametrize(
        "wrap", [lambda e: e, lambda e: {"Event": e}, lambda e: {"response": [{"Event": e}]}, lambda e: {"response": [e]}]
    )
    def test_every_wrapper_found_in_the_wild_is_read(self, wrap: Any) -> None:
        assert parse_event(wrap(event())).uuid == EVENT_UUID

    @pytest.mark.parametrize("document", [None, [], 7, "x", {}, {"uuid": "no"}, [event(), event()]])
    def test_what_is_no_event_is_refused(self, document: Any) -> None:
        with pytest.raises(UnreadableEvent):
            parse_event(document)

    def test_numbers_are_read_as_text_as_integers_and_when_they_are_missing(self) -> None:
        read = parse_event({"uuid": EVENT_UUID, "timestamp": 5, "publish_timestamp": "6", "threat_level_id": None})
        assert (read.timestamp, read.publish_timestamp, read.threat_level) == (5, 6, 4)

    def test_rubbish_in_any_field_is_never_fatal(self) -> None:
        rubbish = [None, True, [], {}, "x", -1, 1.5, {"a": 1}, [None], [{"name": 5}]]
        for value in rubbish:
            for name in event():
                if name != "uuid":
                    mapped(event() | {name: value})
            for name in attribute(1, "md5", "0"):
                mapped(event(attribute(1, "md5", "0") | {name: value}))

    @pytest.mark.parametrize("moment", ["2026-01-02T03:04:05.123456+00:00", "1767323045", 1767323045])
    def test_first_seen_is_read_in_its_forms(self, moment: Any) -> None:
        observable = only(event(attribute(1, "ip-dst", "198.51.100.7", first_seen=moment)))
        assert observable.first_seen is not None and observable.first_seen // 1000 == 1767323045
        assert "first seen: 2026-01-02T03:04:05" in observable.message

    def test_an_unreadable_first_seen_leaves_the_attributes_own_time(self) -> None:
        assert only(event(attribute(1, "domain", "example.com", first_seen="last week"))).first_seen == 1700000000000

    def test_characters_that_no_database_stores_are_dropped(self) -> None:
        assert only(event(attribute(1, "filename", "a\x00b\ud800.exe"))).data == "ab.exe"


class TestAlert:
    def test_fields_follow_the_contract(self) -> None:
        alert = mapped(event(tags=("type:OSINT", "tlp:green", "PAP:GREEN")), case_template="MISP", alert_tags=("intel",)).alert
        assert (alert.source, alert.source_ref) == ("partner", "12")
        assert alert.title == "#12 Phishing against suppliers"
        assert alert.severity == 3
        assert alert.date == 1772668800000
        assert (alert.tlp, alert.pap) == ("GREEN", "GREEN")
        assert alert.tags == ("src:Example CERT", "intel", "type:OSINT")
        assert alert.external_link == "https://misp.example/events/view/12"
        assert alert.case_template == "MISP"
        assert alert.last_sync_date == 1700000600000
        assert f"UUID: `{EVENT_UUID}`" in alert.description

    @pytest.mark.parametrize(("level", "severity"), [("1", 3), ("2", 2), ("3", 1), ("4", 2), ("x", 2), (None, 2)])
    def test_severity_is_four_minus_the_threat_level(self, level: Any, severity: int) -> None:
        assert mapped(event(threat_level_id=level)).alert.severity == severity

    @pytest.mark.parametrize(
        ("tags", "tlp"),
        [
            ((), "AMBER"),
            (("tlp:white",), "CLEAR"),
            (("tlp:clear", "tlp:white"), "CLEAR"),
            (("TLP:GREEN", "tlp:clear"), "GREEN"),
            (("tlp:amber+strict",), "AMBER+STRICT"),
            (("tlp:red", "tlp:white"), "RED"),
            (("tlp:unclear",), "AMBER"),
            (("tlp:ex:chr",), "AMBER"),
            (('cossi:TLP="white"',), "AMBER"),
            (("tlp:invented",), "RED"),
        ],
    )
    def test_the_strictest_tlp_tag_counts(self, tags: tuple[str, ...], tlp: str) -> None:
        assert mapped(event(tags=tags)).alert.tlp == tlp

    def test_line_breaks_and_length_of_the_title_are_held(self) -> None:
        title = mapped(event(info="a\n\tb " + "x" * 600)).alert.title
        assert title.startswith("#12 a b x") and len(title) == 512

    def test_a_feed_event_is_named_by_its_uuid_and_dated_by_its_file(self) -> None:
        document = event(publish_timestamp="0", timestamp="1700000500", published=False)
        del document["id"]
        alert = mapped(document, feed=True, base_url="https://feed.example/").alert
        assert (alert.source_ref, alert.title) == (EVENT_UUID, "Phishing against suppliers")
        assert alert.external_link == f"https://feed.example/{EVENT_UUID}.json"
        assert alert.last_sync_date == 1700000500000
        assert "misp:unpublished" not in alert.tags

    def test_an_unpublished_event_says_so(self) -> None:
        assert "misp:unpublished" in mapped(event(published=False)).alert.tags

    def test_an_event_without_attributes_is_an_alert_without_observables(self) -> None:
        assert mapped(event()).observables == ()

    def test_markup_in_the_event_cannot_reach_the_description(self) -> None:
        document = event(attribute(1, "comment", "![x](http://t.example/p.gif) <b>", to_ids=False))
        assert r"\!\[x\](http://t.example/p.gif) \<b\>" in mapped(document).alert.description

    def test_techniques_become_procedures_once(self) -> None:
        tag = 'misp-galaxy:mitre-attack-pattern="Spearphishing Attachment - T1566.001"'
        old = 'misp-galaxy:mitre-enterprise-attack-attack-pattern="Scripting - T1064"'
        galaxy = {
            "name": "Attack Pattern",
            "GalaxyCluster": [
                {"tag_name": tag, "value": "Spearphishing Attachment", "meta": {"kill_chain": ["mitre-attack:initial-access"]}}
            ],
        }
        document = event(attribute(1, "domain", "example.com", Tag=[{"name": tag}]), tags=(tag, old), Galaxy=[galaxy])
        found = [(p.pattern_id, p.tactic) for p in mapped(document).procedures]
        assert found == [("T1566.001", "initial-access"), ("T1064", None)]


class TestObservables:
    def test_to_ids_is_the_ioc_flag_and_tags_say_where_it_came_from(self) -> None:
        observable = only(event(attribute(1, "domain", "example.com", to_ids=True)), observable_tags=("partner",))
        assert observable.ioc
        assert observable.tags == ('misp:type="domain"', 'misp:category="Network activity"', "partner")
        assert not only(event(attribute(1, "domain", "example.com", to_ids=False))).ioc

    @pytest.mark.parametrize(
        ("event_tag", "own", "tlp"),
        [("tlp:green", "tlp:red", "RED"), ("tlp:amber", "tlp:white", "AMBER"), ("tlp:green", None, "GREEN")],
    )
    def test_an_attributes_own_tlp_counts_but_never_below_the_alerts(self, event_tag: str, own: str | None, tlp: str) -> None:
        tagged = attribute(1, "domain", "example.com", Tag=[{"name": own}, {"name": "kept"}] if own else [])
        observable = only(event(tagged, tags=(event_tag,)))
        assert observable.tlp == tlp
        assert ("kept" in observable.tags) == bool(own)
        assert not any(tag.startswith("tlp:") for tag in observable.tags)

    def test_a_sighting_of_type_seen_marks_it_sighted(self) -> None:
        assert only(event(attribute(1, "domain", "a.example", Sighting=[{"type": "1"}, {"type": "0"}]))).sighted
        assert not only(event(attribute(1, "domain", "a.example", Sighting=[{"type": "1"}]))).sighted

    def test_members_of_an_object_stay_together_and_name_their_relation(self) -> None:
        holder = {
            "uuid": uuid_of(50),
            "name": "file",
            "comment": "dropper",
            "Attribute": [
                attribute(1, "filename", "a.exe", object_relation="filename", comment="first"),
                attribute(2, "md5", "d41d8cd98f00b204e9800998ecf8427e", object_relation="md5"),
            ],
        }
        name, digest = mapped(event(Object=[holder])).observables
        assert name.message == "file/filename\nfirst\ndropper"
        assert f'misp:object="{uuid_of(50)}"' in name.tags and f'misp:object="{uuid_of(50)}"' in digest.tags
        assert digest.origin.object_uuid == uuid_of(50)

    def test_a_deleted_object_and_a_proposal_are_left_alone(self) -> None:
        holder = {"uuid": uuid_of(50), "name": "file", "deleted": True, "Attribute": [attribute(1, "md5", "0" * 32)]}
        assert mapped(event(Object=[holder], ShadowAttribute=[attribute(2, "md5", "1" * 32)])).observables == ()

    def test_equal_values_are_one_observable_that_keeps_everything(self) -> None:
        document = event(
            attribute(1, "domain", "Example.COM", to_ids=False, comment="seen by A"),
            attribute(2, "domain", "example.com", to_ids=True, comment="seen by B", Tag=[{"name": "tlp:red"}]),
        )
        observable = only(document)
        assert observable.data == "Example.COM"
        assert observable.ioc and observable.tlp == "RED"
        assert observable.message == "seen by A\nseen by B"
        assert observable.origin.attribute_uuids == (uuid_of(1), uuid_of(2))

    def test_ipv6_forms_of_one_address_are_one_observable(self) -> None:
        document = event(attribute(1, "ip-dst", "2001:db8:0:0::7"), attribute(2, "ip-src", "2001:DB8::7"))
        assert len(mapped(document).observables) == 1

    def test_a_warning_list_hit_is_a_tag_and_leaves_the_flag(self) -> None:
        observable = only(event(attribute(1, "ip-dst", "198.51.100.7", warnings=[{"match": "x"}])))
        assert "misp:warninglist" in observable.tags and observable.ioc


class TestContext:
    @pytest.mark.parametrize(("policy", "count", "described"), [("import", 1, False), ("describe", 0, True), ("skip", 0, False)])
    def test_context_follows_the_setting(self, policy: str, count: int, described: bool) -> None:
        result = mapped(event(attribute(1, "text", "background", to_ids=False)), context_attributes=policy)
        assert len(result.observables) == count
        assert ("background" in result.alert.description) == described

    def test_context_that_is_marked_for_detection_is_imported(self) -> None:
        assert only(event(attribute(1, "text", "marker", to_ids=True))).data_type == "other"


class TestFiles:
    stored = StoredFile("sample.exe.zip", "application/zip", 4, "ab" * 32, note="holds d41d8cd98f00b204e9800998ecf8427e")

    def test_a_malware_sample_is_a_file_and_a_hash_that_belong_together(self) -> None:
        document = event(attribute(1, "malware-sample", "sample.exe|d41d8cd98f00b204e9800998ecf8427e"))
        file, digest = mapped(document, files={uuid_of(1): self.stored}).observables
        assert (file.data_type, file.data, file.file) == ("file", None, self.stored)
        assert "holds d41d8cd98f00b204e9800998ecf8427e" in file.message
        assert (digest.data_type, digest.data) == ("hash", "d41d8cd98f00b204e9800998ecf8427e")
        assert f'misp:pair="{uuid_of(1)}"' in digest.tags

    def test_an_attachment_without_content_is_named_with_the_reason(self) -> None:
        document = event(attribute(1, "attachment", "report.pdf"))
        (observable,) = mapped(document, files={uuid_of(1): MissingFile("30 MiB, over the limit of 20 MiB")}).observables
        assert (observable.data_type, observable.data) == ("other", "report.pdf")
        assert "over the limit" in observable.message and "misp:file-missing" in observable.tags


class TestOutcomes:
    def test_every_attribute_has_observables_or_a_reason(self) -> None:
        document = event(
            attribute(1, "domain|ip", "a.example|198.51.100.7"),
            attribute(2, "md5", "0" * 32, deleted=True),
            attribute(3, "text", "background", to_ids=False),
            attribute(4, "domain", ""),
        )
        found = {o.attribute_uuid: (o.observables, o.reason) for o in mapped(document).outcomes}
        assert found == {
            uuid_of(1): (("domain:a.example", "ip:198.51.100.7"), None),
            uuid_of(2): ((), Reason.DELETED),
            uuid_of(3): ((), Reason.DESCRIBED),
            uuid_of(4): ((), Reason.EMPTY),
        }

    def test_the_fingerprint_ignores_times_and_sees_everything_else(self) -> None:
        before = mapped(event(attribute(1, "domain", "a.example"))).fingerprint()
        touched = event(attribute(1, "domain", "a.example", timestamp="1700009999"), publish_timestamp="1700009999")
        assert mapped(touched).fingerprint() == before
        assert mapped(event(attribute(1, "domain", "a.example", comment="new"))).fingerprint() != before
        assert mapped(event(attribute(1, "domain", "a.example"), tags=("tlp:red",))).fingerprint() != before

    def test_an_outcome_is_plain_json(self) -> None:
        (outcome,) = mapped(event(attribute(1, "domain", "a.example"))).outcomes
        assert json.loads(json.dumps(outcome.observables)) == ["domain:a.example"]
