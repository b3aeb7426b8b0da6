"""What a job costs, against the same program in a shell: `python bench/jobs.py [rounds] [jobs at once]`.

Everything is on this machine: a PostgreSQL, `cortex serve` and `cortex run`, each a process of its own, and this one, which
asks over REST as any client does. The program is a small cortexutils analyzer that imports requests. Ratios and CPU time are what
to trust: seconds say more about what else the machine does. The last table says whether each promise of the issue is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from cortex.cli import MIGRATIONS
from cortex.engine import Engine
from cortex.seed import MAKER
from cortex.settings import Settings
from launcher import postgres
from waggle.db.migrate import Roles, upgrade_now
from waggle.security.secretbox import new_secret_key

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venvs" / "analyzers" / "bin" / "python"
TICKS = os.sysconf("SC_CLK_TCK")
IN_FLIGHT = 16
BURST = 10_000
PROGRAM = f"""#!{PYTHON}
from cortexutils.analyzer import Analyzer
import requests

class Look(Analyzer):
    def run(self):
        self.report({{"value": self.get_data(), "agent": requests.utils.default_user_agent()}})

    def summary(self, raw):
        return {{"taxonomies": [self.build_taxonomy("info", "Look", "Value", raw["value"])]}}

Look().run()
"""
FLAVOR = {
    "name": "Look", "version": "1.0", "author": "bench", "url": "https://example.org", "license": "Apache-2.0",
    "description": "small", "dataTypeList": ["ip", "domain"], "command": "Look/look.py",
}  # fmt: skip


def tree(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and its descendants, those included that have ended and been waited for."""
    total = 0.0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()[11:15])) / TICKS
    return total


def pss_of(pids: set[int]) -> float:
    """MiB, shared pages divided among those who share them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


class Connection:
    """One kept-alive HTTP connection; no more than the bench needs, to cost little itself."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        content = orjson.dumps(body) if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._writer.write(head.encode() + content)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length"))
        found = await self._reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 20"):
            raise SystemExit(f"{method} {path}: {answer[:40]!r} {found!r}")
        return orjson.loads(found) if found else None


@dataclass
class Platform:
    """The running services and the key of an analyst."""

    port: int
    key: str
    worker: str
    service: subprocess.Popen[bytes]
    runner: subprocess.Popen[bytes]
    database: postgres.Cluster
    owner_url: str
    program: Path
    numbers: int = 0
    promises: list[tuple[str, str, bool]] = field(default_factory=list)

    def connection(self) -> Connection:
        return Connection(self.port, self.key)

    def order(self) -> dict[str, Any]:
        """A value that no report is there for."""
        self.numbers += 1
        return {"dataType": "domain", "data": f"d{self.numbers}.example.org", "tlp": 2, "pap": 2}

    def cpu(self) -> dict[str, float]:
        pids = {"cortex": self.service.pid, "runner": self.runner.pid, "postgresql": self.database.process.pid}
        return {name: cpu_of(pid) for name, pid in pids.items()}

    def promise(self, text: str, figure: str, kept: bool) -> None:
        self.promises.append((text, figure, kept))


async def one_job(platform: Platform, connection: Connection) -> None:
    job = await connection.ask("POST", f"/api/analyzer/{platform.worker}/run", platform.order())
    done = await connection.ask("GET", f"/api/job/{job['id']}/waitreport?atMost=60seconds")
    if done["status"] != "Success":
        raise SystemExit(f"the job failed: {done}")


def cold_run(platform: Platform, folder: Path) -> float:
    """Seconds that the program takes as a shell would start it."""
    for name in ("input", "output"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    given = {"data": "example.org", "dataType": "domain", "tlp": 2, "pap": 2, "config": {"auto_extract_artifacts": False}}
    (folder / "input" / "input.json").write_bytes(orjson.dumps(given))
    began = time.perf_counter()
    subprocess.run([str(platform.program), str(folder)], check=True)
    return time.perf_counter() - began


async def one_by_one(platform: Platform, folder: Path, rounds: int) -> None:
    """Cold and over REST in turn, so that both meet the same machine."""
    cold, warm = [], []
    async with platform.connection() as connection:
        for _ in range(5):
            await one_job(platform, connection)
        for _ in range(rounds):
            cold.append(await asyncio.to_thread(cold_run, platform, folder))
            began = time.perf_counter()
            await one_job(platform, connection)
            warm.append(time.perf_counter() - began)
    ratio = statistics.median(warm) / statistics.median(cold)
    figure = f"{ratio:.2f} ({statistics.median(warm) * 1e3:.0f} ms against {statistics.median(cold) * 1e3:.0f} ms)"
    platform.promise("p50 over REST, of a cold run in a shell: at most 0.35", figure, ratio <= 0.35)


async def many(platform: Platform, folder: Path, rounds: int) -> None:
    """IN_FLIGHT at a time against a loop of cold runs, and the CPU of each."""
    began, spent = time.perf_counter(), os.times()
    for _ in range(rounds):
        await asyncio.to_thread(cold_run, platform, folder)
    cold, now = rounds / (time.perf_counter() - began), os.times()
    cold_cpu = (now.children_user + now.children_system - spent.children_user - spent.children_system) / rounds * 1e3
    count = rounds * 20
    left = iter(range(count))

    async def client() -> None:
        async with platform.connection() as connection:
            for _ in left:
                await one_job(platform, connection)

    before, began = platform.cpu(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(IN_FLIGHT)))
    wall, after = time.perf_counter() - began, platform.cpu()
    parts = {name: (after[name] - before[name]) / count * 1e3 for name in after}
    total = sum(parts.values())
    figure = f"{total:.1f} ms (" + ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items()) + ")"
    figure += f", {total / cold_cpu:.2f} of a cold run's {cold_cpu:.0f} ms"
    platform.promise("CPU of a job in cortex, runner and PostgreSQL: at most 15 ms", figure, total <= 15)
    rate = count / wall
    figure = f"{rate / cold:.1f} ({rate:.0f}/s against {cold:.1f}/s)"
    platform.promise(f"{IN_FLIGHT} in flight, times a loop of cold runs: at least 8", figure, rate / cold >= 8)


def memory(platform: Platform) -> dict[str, float]:
    zygotes = tree(platform.runner.pid) - {platform.runner.pid}
    return {
        "cortex": pss_of({platform.service.pid}),
        "runner": pss_of({platform.runner.pid}),
        "warm environment": pss_of(zygotes),
    }


async def burst(platform: Platform, count: int) -> None:
    """`count` jobs as fast as they are taken; then all must end."""
    owner = await asyncpg.connect(platform.owner_url)
    first = await owner.fetchval("SELECT count(*) FROM jobs")
    idle = memory(platform)
    left = iter(range(count))

    async def client() -> None:
        async with platform.connection() as connection:
            for _ in left:
                await connection.ask("POST", f"/api/analyzer/{platform.worker}/run", platform.order())

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(64)))
    accepted = time.perf_counter() - began
    peak = memory(platform)
    platform.promise(f"{count} jobs at once, accepted: {count / 333:.0f} s", f"{accepted:.1f} s", accepted <= count / 333)
    while await owner.fetchval("SELECT count(*) FROM jobs WHERE status IN ('Waiting', 'InProgress')"):
        await asyncio.sleep(1)
        now = memory(platform)
        peak = {name: max(mib, now[name]) for name, mib in peak.items()}
    ended = time.perf_counter() - began
    good = await owner.fetchval("SELECT count(*) FROM jobs WHERE status = 'Success'") - first
    platform.promise(f"{count} jobs, none lost", f"{good} ended as Success in {ended:.0f} s", good == count)
    growth = max(peak[name] - idle[name] for name in ("cortex", "runner"))
    platform.promise("memory of the services meanwhile: flat (within 50 MiB)", f"+{growth:.0f} MiB", growth <= 50)
    await owner.close()


@contextlib.asynccontextmanager
async def _platform(folder: Path, cluster: postgres.Cluster) -> AsyncIterator[Platform]:
    admin = await asyncpg.connect(cluster.url)
    await admin.execute("CREATE DATABASE cortex")
    for role in ("cortex_owner", "cortex_app", "cortex_system"):
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'bench'")
    await admin.execute("ALTER DATABASE cortex OWNER TO cortex_owner")
    await admin.close()
    urls = {r: f"postgresql://cortex_{r}:bench@127.0.0.1:{cluster.port}/cortex" for r in ("owner", "app", "system")}
    await asyncio.to_thread(upgrade_now, urls["owner"], MIGRATIONS, Roles(urls["app"], urls["system"]))
    program = folder / "analyzers" / "Look" / "look.py"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (program.parent / "look.json").write_bytes(orjson.dumps(FLAVOR))
    (folder / "jobs").mkdir()
    env = {
        "PATH": os.environ["PATH"], "CORTEX_DATABASE_APP_URL": urls["app"], "CORTEX_DATABASE_SYSTEM_URL": urls["system"],
        "CORTEX_BLOBS": str(folder / "blobs"), "CORTEX_SECRET_KEY": new_secret_key(),
        "CORTEX_ANALYZER_PATHS": str(folder / "analyzers"), "CORTEX_ANALYZERS_PYTHON": str(PYTHON),
        "CORTEX_JOB_DIRECTORY": str(folder / "jobs"), "PYTHONDONTWRITEBYTECODE": "",
    }  # fmt: skip
    key = await _seed(env)
    port, log = postgres.free_port(), (folder / "log").open("wb")
    cortex = str(Path(sys.executable).with_name("cortex"))
    service = subprocess.Popen([cortex, "serve", "--port", str(port)], env=env, stdout=log, stderr=log)
    runner = subprocess.Popen([cortex, "run"], env=env, stdout=log, stderr=log)
    try:
        worker = await _enabled(port, key, service)
        yield Platform(port, key, worker, service, runner, cluster, urls["owner"], program)
    finally:
        for process in (service, runner):
            process.send_signal(signal.SIGTERM)
        for process in (service, runner):
            process.wait(20)


async def _seed(env: dict[str, str]) -> str:
    from cortex.identity.keys import set_key
    from cortex.identity.service import create_organisation, create_user

    os.environ |= env
    engine = Engine.from_settings(Settings())
    try:
        async with engine.database.begin(MAKER.scope) as session:
            await create_organisation(session, MAKER, name="lab", description="")
            roles = ["read", "analyze", "orgadmin"]
            user = await create_user(
                session, MAKER, login="bench", name="Bench", roles=roles, organisation="lab", password_hash=None
            )
            return await set_key(session, MAKER, engine.box, user=user)
    finally:
        await engine.close()


async def _enabled(port: int, key: str, service: subprocess.Popen[bytes]) -> str:
    while True:
        try:
            async with Connection(port, key) as connection:
                made = await connection.ask(
                    "POST", "/api/organization/analyzer/Look_1_0", {"name": "Look_1_0", "configuration": {}, "jobCache": 0}
                )
                return str(made["id"])
        except OSError:
            if service.poll() is not None:
                raise SystemExit("cortex did not start") from None
            await asyncio.sleep(0.1)


async def _measure(folder: Path, cluster: postgres.Cluster, rounds: int, count: int) -> bool:
    async with _platform(folder, cluster) as platform:
        await one_by_one(platform, folder / "cold", rounds)
        warm = memory(platform)["warm environment"]
        platform.promise("an idle warm environment: at most 60 MiB (PSS)", f"{warm:.0f} MiB", warm <= 60)
        await many(platform, folder / "cold", rounds)
        await burst(platform, count)
        for text, figure, kept in platform.promises:
            print(f"{'kept  ' if kept else 'BROKEN'}  {text:<66} {figure}")
        return all(kept for _, _, kept in platform.promises)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    count = int(sys.argv[2]) if len(sys.argv) > 2 else BURST
    with tempfile.TemporaryDirectory() as name:
        cluster = postgres.start(Path(name) / "postgres")
        try:
            kept = asyncio.run(_measure(Path(name), cluster, rounds, count))
        finally:
            cluster.stop()
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
