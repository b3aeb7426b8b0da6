"""`cortex analyzers run`: one run of a flavor on this machine, without a service or a database, and what it means."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cortex import configuration
from cortex.definitions.flavor import Flavor
from cortex.markings import PAP_NUMBERS, TLP_NUMBERS
from cortex.runner.egress import Egress
from cortex.runner.execution import Execution
from cortex.runner.identity import RunnerId
from cortex.runner.job import Failure, InputFile, Job, Outcome, Report, Worker
from cortex.runner.loop import runners_of
from cortex.runner.settings import RunnerSettings
from cortex.runner.zygotes import Zygotes
from waggle.blobs import open_store
from waggle.ids import uuid7
from waggle.security.secretbox import SecretBox, new_secret_key


@dataclass(frozen=True, slots=True)
class Request:
    """What to run it on. `file` is a path; `config` the worker's configuration."""

    data_type: str
    data: str | None
    file: Path | None
    config: dict[str, Any]
    tlp: int = TLP_NUMBERS["AMBER"]
    pap: int = PAP_NUMBERS["AMBER"]


async def run(flavor: Flavor, request: Request, env: dict[str, str]) -> tuple[str, bool]:
    """What to tell the person, and whether it succeeded."""
    with tempfile.TemporaryDirectory(prefix="cortex-run-") as name:
        folder = Path(name)
        own = {
            "CORTEX_DATABASE_SYSTEM_URL": "none",
            "CORTEX_BLOBS": str(folder / "blobs"),
            "CORTEX_SECRET_KEYS": new_secret_key(),
        }
        settings = RunnerSettings.from_environment({**env, **own, "CORTEX_JOB_DIRECTORY": str(folder)})
        egress = Egress(settings.egress_allow)
        await egress.start()
        zygotes = Zygotes(egress, most=1)
        box = SecretBox([settings.secret_keys])
        runner_id = RunnerId.own()
        runners = runners_of(settings, runner_id, zygotes)
        execution = Execution(
            runner_id=runner_id,
            runners=runners,
            blobs=open_store(settings.blobs),
            box=box,
            job_directory=folder,
            default_time_limit=settings.job_timeout_seconds,
            max_report=settings.max_report_mib * 2**20,
            keep_folder=False,
            egress=egress,
            direct=frozenset(settings.egress_direct),
        )
        try:
            job = await _job(flavor, request, box, execution)
            runner = next((r.name for r in runners if job.worker is not None and r.fits(job.worker)), "none")
            return _explained(flavor, runner, await execution.run(job))
        finally:
            await zygotes.close()
            await egress.close()


async def _job(flavor: Flavor, request: Request, box: SecretBox, execution: Execution) -> Job:
    worker_id = hashlib.md5(flavor.id.encode(), usedforsecurity=False).hexdigest()
    sealed = box.seal(orjson.dumps(request.config), context=f"worker:{worker_id}")
    file = None
    if request.file is not None:
        blob = await execution.blobs.put(request.file)
        kind = mimetypes.guess_type(request.file.name)[0] or "application/octet-stream"
        file = InputFile(blob.sha256, request.file.name, kind)
    return Job(
        id=uuid7(),
        attempt=1,
        org_id="by hand",
        worker_id=worker_id,
        worker_name=flavor.id,
        data_type=request.data_type,
        data=request.data,
        file=file,
        tlp=request.tlp,
        pap=request.pap,
        message="",
        parameters={},
        worker=Worker(flavor.kind, flavor.id, flavor.command, flavor.root, flavor.config, sealed, None, network=flavor.network),
    )


def missing_items(flavor: Flavor, config: dict[str, Any]) -> list[str]:
    """Required configuration items that have no value."""
    given = configuration.merged(flavor.config, config)
    return [
        f"{item['name']} ({item['description']})"
        for item in flavor.items
        if item["required"] and given.get(item["name"]) is None and item.get("defaultValue") is None
    ]


def _explained(flavor: Flavor, runner: str, outcome: Outcome) -> tuple[str, bool]:
    lines = [f"{flavor.id}, runner: {runner}"]
    lines += [f"{what}: {detail}" for what, detail in outcome.notes]
    result = outcome.result
    if isinstance(result, Failure):
        return "\n".join([*lines, "", "FAILURE", result.message]), False
    lines += ["", "SUCCESS", *_found(result), "", json.dumps(result.full, indent=2, ensure_ascii=False)]
    return "\n".join(lines), True


def _found(report: Report) -> list[str]:
    lines = [
        f"taxonomy   {line['level']:<10} {line['namespace']}:{line['predicate']}={line['value']}"
        for line in report.summary.get("taxonomies", [])
    ]
    lines += [
        f"artifact   {artifact.data_type:<10} {artifact.data if artifact.file is None else artifact.file.name}"
        for artifact in report.artifacts
    ]
    return lines + [f"operation  {json.dumps(operation)}" for operation in report.operations]
