"""What becomes of jobs over time: deadlines, retention, the record of why, another run, and the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from cortex.jobs.retention import Keep, Retention
from cortex.runner.verdict import verdict_of
from waggle.ids import now_ms

IP = {"dataType": "ip", "data": "203.0.113.5"}


async def run(api: Any, worker: str, **fields: Any) -> str:
    answer = await api.admin.post(f"/api/analyzer/{worker}/run", json={**IP, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


class TestWhy:
    async def test_is_for_readers_of_the_organisation(self, api: Any) -> None:
        job = await run(api, await api.enable())
        stranger = await api.user("r@other", ["read", "analyze"], organisation="other")
        for method, path, status in (("GET", "why", 404), ("POST", "rerun", 404)):
            assert (await stranger.request(method, f"/api/job/{job}/{path}")).status_code == status
            assert (await api.anonymous.request(method, f"/api/job/{job}/{path}")).status_code == 401
        assert (await api.reader.post(f"/api/job/{job}/rerun")).status_code == 403

    async def test_says_what_it_waits_for_and_then_what_happened(self, api: Any) -> None:
        api.flavor("Chatty", source="import sys\nprint('a word')\nraise SystemExit(1)")
        worker = await api.enable("Chatty_1_0")
        await run(api, worker, data="203.0.113.4")
        job = await run(api, worker)
        waiting = (await api.reader.get(f"/api/job/{job}/why")).json()
        assert waiting["explanation"] == "Waits for a runner: 1 jobs of its organisation are before it."
        assert (waiting["attempts"], waiting["events"]) == (0, [])
        api.bench.start_runner()
        await api.bench.ended(job)
        ended = (await api.reader.get(f"/api/job/{job}/why")).json()
        assert "a word" in ended["explanation"] and ended["attempts"] == 1
        assert [(e["what"], "a word" in e["detail"]) for e in ended["events"]] == [("started", False), ("printed", True)]

    async def test_rate_is_named(self, api: Any) -> None:
        worker = await api.enable(rate=1, rateUnit="Hour")
        await run(api, worker, data="203.0.113.4")
        why = (await api.reader.get(f"/api/job/{await run(api, worker)}/why")).json()
        assert why["explanation"].startswith("Waits for its worker's rate: its turn is in 3")


class TestRerun:
    async def test_asks_the_same_again_and_takes_no_old_report(self, api: Any) -> None:
        worker = await api.enable()
        first = await run(api, worker, parameters={"user": "a"}, message="42")
        second = (await api.admin.post(f"/api/job/{first}/rerun")).json()
        assert second["id"] != first and "fromCache" not in second
        assert (second["data"], second["parameters"], second["message"]) == (IP["data"], {"user": "a"}, "42")

    async def test_file_is_given_again(self, api: Any) -> None:
        worker = await api.enable()
        files = {"data": ("x.bin", b"content")}
        first = (await api.admin.post(f"/api/analyzer/{worker}/run", data={"_json": '{"dataType": "file"}'}, files=files)).json()
        second = (await api.admin.post(f"/api/job/{first['id']}/rerun")).json()
        assert second["attachment"] == first["attachment"]

    async def test_worker_that_is_gone_is_a_404(self, api: Any) -> None:
        worker = await api.enable()
        job = await run(api, worker)
        await api.admin.delete(f"/api/analyzer/{worker}")
        assert (await api.admin.post(f"/api/job/{job}/rerun")).status_code == 404


class TestDeadline:
    async def test_job_that_still_waits_ends_with_the_reason(self, bench: Any) -> None:
        job = await bench.submit(await bench.worker(bench.program("Slow", "")), announced=True)
        await bench.owner.execute("DELETE FROM dispatch")
        await bench.owner.execute("UPDATE jobs SET deadline = $1", now_ms() - 1)
        bench.start_runner()
        row = await bench.ended(job)
        assert row["status"] == "Failure" and row["error_message"].startswith("The deadline of the request was over")
        assert await bench.announced() == ["ended"]

    async def test_running_job_is_stopped_at_it(self, bench: Any) -> None:
        job = await bench.submit(await bench.worker(bench.program("Slow", "import time\ntime.sleep(60)")))
        await bench.owner.execute("UPDATE jobs SET deadline = $1", now_ms() + 2500)
        bench.start_runner()
        row = await bench.ended(job)
        assert row["status"] == "Failure" and "did not end within" in row["error_message"]


class TestRetention:
    async def sweep(self, api: Any, **keep: int) -> int:
        return await Retention(api.engine.database, api.engine.blobs, Keep(**{"days": 0, "jobs": 0, **keep})).sweep()

    async def jobs(self, api: Any) -> list[str]:
        return [row["data"] for row in await api.bench.owner.fetch("SELECT data FROM jobs ORDER BY created_at, id")]

    async def test_old_jobs_and_their_contents_are_forgotten_and_waiting_ones_stay(self, api: Any) -> None:
        worker = await api.enable()
        files = {"data": ("x.bin", b"content")}
        await api.admin.post(f"/api/analyzer/{worker}/run", data={"_json": '{"dataType": "file"}'}, files=files)
        await run(api, worker, data="waits")
        await api.bench.owner.execute("UPDATE jobs SET created_at = created_at - 10 * 86400000")
        await api.bench.owner.execute("UPDATE jobs SET status = 'Success' WHERE data_type = 'file'")
        await run(api, worker, data="young")
        sha256 = await api.bench.owner.fetchval("SELECT encode(sha256, 'hex') FROM blobs")
        assert await self.sweep(api) == 0, "no limit, nothing is forgotten"
        assert await self.sweep(api, days=7) == 1
        assert await self.jobs(api) == ["waits", "young"]
        assert api.bench.blobs.path(sha256).exists(), "a content of today may be on its way into a job"
        await api.bench.owner.execute("UPDATE blobs SET created_at = now() - interval '2 days'")
        await self.sweep(api, days=7)
        assert await api.bench.owner.fetchval("SELECT count(*) FROM attachments") == 0
        assert await api.bench.owner.fetchval("SELECT count(*) FROM blobs") == 0
        assert not api.bench.blobs.path(sha256).exists()

    async def test_newest_of_each_organisation_stay(self, api: Any) -> None:
        worker = await api.enable()
        for i in range(4):
            await run(api, worker, data=f"d{i}")
        await api.bench.owner.execute("UPDATE jobs SET status = 'Success', reusable = false")
        assert await self.sweep(api, jobs=2) == 2
        assert await self.jobs(api) == ["d2", "d3"]


class TestVerdict:
    @pytest.mark.parametrize(
        ("levels", "expected"),
        [
            (["info", "malicious", "malicious", "safe"], {"level": "malicious", "confidence": 67}),
            (["info", "info"], {"level": "info", "confidence": 100}),
            (["safe"], {"level": "safe", "confidence": 100}),
            ([], None),
        ],
    )
    async def test_is_the_worst_level_and_who_agrees(self, levels: list[str], expected: Any) -> None:
        assert verdict_of({"taxonomies": [{"level": level} for level in levels]}, {}) == expected

    async def test_times_are_found_under_their_usual_names(self) -> None:
        full = {
            "attributes": {"first_submission_date": 1_700_000_000, "last_analysis_date": 1_700_000_500},
            "rows": [{"firstSeen": "2023-11-01T00:00:00Z", "last-seen": "2023-12-01 00:00:00 UTC"}, {"first_seen": "never"}],
        }
        verdict = verdict_of({"taxonomies": [{"level": "safe"}]}, full)
        assert verdict == {"level": "safe", "confidence": 100, "firstSeen": 1698796800000, "lastSeen": 1701388800000}

    async def test_is_shown_beside_the_report(self, api: Any) -> None:
        worker = await api.enable()
        job = await run(api, worker)
        api.bench.start_runner()
        await api.bench.ended(job)
        report = (await api.reader.get(f"/api/job/{job}/report")).json()["report"]
        assert report["verdict"] == {"level": "safe", "confidence": 100}
