"""`cortex serve | work | run | migrate | seed | analyzers | queues`.

A command imports what it needs itself, so that `run` stays small.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from waggle.queue_arguments import add_queue_arguments

if TYPE_CHECKING:
    from cortex.seed import Seed
    from cortex.settings import Settings
    from waggle.messaging import BusSettings

PACKAGED = Path(__file__).parent / "migrations"
MIGRATIONS = PACKAGED if PACKAGED.exists() else Path(__file__).parents[2] / "migrations"
"""Inside an installed package, or beside the sources."""


class UsageError(Exception):
    """The command cannot be carried out as given; the text is for the person."""


def _settings() -> Settings:
    from pydantic import ValidationError

    from cortex.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False))
        raise UsageError(f"settings: {problems}") from None


def _bus() -> BusSettings | None:
    """The bus, if the environment names one."""
    from waggle.messaging import BusSettings

    return BusSettings.given()


def serve(given: argparse.Namespace) -> int:
    """The API, and unless --api-only its relay and consumers, until SIGTERM."""
    import uvicorn

    from cortex.app import build
    from waggle.observability import configure_logs

    configure_logs("cortex")
    settings = _settings()
    uvicorn.run(
        build(settings, bus=_bus(), api_only=given.api_only),
        host=given.host,
        port=given.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=10,
    )
    return 0


def work(_given: argparse.Namespace) -> int:
    """Relay and consumers without the API, until SIGTERM."""
    from waggle.observability import configure_logs

    configure_logs("cortex-work")
    asyncio.run(_work(_settings(), _bus()))
    return 0


async def _work(settings: Settings, bus: BusSettings | None) -> None:
    from cortex.engine import Engine
    from cortex.events.machinery import Machinery

    if bus is None:
        raise UsageError("neither WAGGLE_AMQP_URL nor BUS_DATABASE_URL is set: there is nothing to work for")
    engine = Engine.from_settings(settings)
    machinery = Machinery(engine, bus)
    machinery.listen()
    engine.listener.start()
    await machinery.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await machinery.stop()
    await engine.close()


def run(_given: argparse.Namespace) -> int:
    """The runner of jobs, until SIGTERM."""
    from cortex.runner.__main__ import main as run_jobs

    return run_jobs()


def migrate(_given: argparse.Namespace) -> int:
    """Brings the database to the newest version."""
    from waggle.db.migrate import Roles, upgrade_now

    settings = _settings()
    if settings.database_url is None or not settings.database_url.get_secret_value():
        raise UsageError("CORTEX_DATABASE_URL is not set: the owner of the tables migrates")
    app, system = settings.database_app_url.get_secret_value(), settings.database_system_url.get_secret_value()
    upgrade_now(settings.database_url.get_secret_value(), MIGRATIONS, Roles(app, system))
    return 0


def seed(given: argparse.Namespace) -> int:
    """Makes the first organisation, people, workers and links that a JSON document names; may be repeated."""
    from pydantic import ValidationError

    from cortex.seed import Seed
    from waggle.errors import WaggleError
    from waggle.observability import configure_logs

    configure_logs("cortex-seed")
    if given.migrate:
        migrate(given)
    text = sys.stdin.read() if given.json == "-" else Path(given.json).read_text(encoding="utf-8")
    try:
        wanted = Seed.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False))
        raise UsageError(f"seed: {problems}") from None
    try:
        print(asyncio.run(_seed(_settings(), wanted)))
    except WaggleError as refusal:
        raise UsageError(f"seed: {refusal.message}") from None
    return 0


async def _seed(settings: Settings, wanted: Seed) -> str:
    from cortex.engine import Engine
    from cortex.seed import sow

    engine = Engine.from_settings(settings)
    try:
        return (await sow(engine, wanted)).model_dump_json()
    finally:
        await engine.close()


def analyzers(_given: argparse.Namespace) -> int:
    """A table of all definitions: ready, or what is wrong with them."""
    from cortex.definitions.scan import Sources, read_flavors

    settings = _settings()
    python = settings.analyzers_python
    if python and not Path(python).exists():
        print(f"CORTEX_ANALYZERS_PYTHON is not there: {python}\n")
    flavors = read_flavors(Sources(settings.analyzer_paths, settings.responder_paths))
    width = max((len(flavor.id) for flavor in flavors), default=0)
    for flavor in sorted(flavors, key=lambda f: (f.kind, f.id)):
        print(f"{flavor.kind:<9}  {flavor.id:<{width}}  {flavor.problem or 'ready'}")
    print(f"\n{sum(f.problem is None for f in flavors)} of {len(flavors)} definitions are ready")
    return 0


def queues(given: argparse.Namespace) -> int:
    """Shows what waits in queues and outbox and what was given up; sends it again."""
    from waggle.errors import WaggleError
    from waggle.observability import configure_logs

    configure_logs("cortex-queues")
    bus = _bus()
    if bus is None:
        raise UsageError("neither WAGGLE_AMQP_URL nor BUS_DATABASE_URL is set: there are no queues")
    try:
        print(asyncio.run(_queues(given, _settings(), bus)))
    except WaggleError as refusal:
        raise UsageError(refusal.message) from None
    return 0


async def _queues(given: argparse.Namespace, settings: Settings, named: BusSettings) -> str:
    from cortex.engine import Engine
    from cortex.queues import keeper
    from waggle.messaging import command, make_bus

    engine, bus = Engine.from_settings(settings), make_bus(named)
    try:
        return await command.run(given, keeper(engine, bus), bus)
    finally:
        await engine.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cortex", description="The analysis engine: analyzers and responders on observables.")
    commands = parser.add_subparsers(required=True)

    def command(function: object, name: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=(function.__doc__ or "").strip())
        added.set_defaults(function=function)
        return added

    server = command(serve, "serve")
    server.add_argument("--host", default="127.0.0.1")
    server.add_argument("--port", type=int, default=9001)
    server.add_argument("--api-only", action="store_true", help="relay and consumers run elsewhere: `cortex work`")
    command(work, "work")
    command(run, "run")
    command(migrate, "migrate")
    seeding = command(seed, "seed")
    seeding.add_argument("--json", required=True, metavar="FILE", help="the document; - reads standard input")
    seeding.add_argument("--migrate", action="store_true", help="bring the database to this version first, in the same process")
    command(analyzers, "analyzers")
    add_queue_arguments(command(queues, "queues"))
    return parser


def main() -> None:
    given = _parser().parse_args()
    try:
        sys.exit(given.function(given))
    except (UsageError, OSError) as error:
        sys.exit(f"cortex: {error}")


if __name__ == "__main__":
    main()
