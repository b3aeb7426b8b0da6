"""`cortex serve | work | run | migrate | seed | analyzers | doctor | queues`.

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
    from cortex.definitions.flavor import Flavor
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


def _flavors(kind: str | None = None) -> list[Flavor]:
    from cortex.definitions.catalogs import fetch
    from cortex.definitions.scan import Sources, read_flavors

    settings = _settings()
    sources = Sources(settings.analyzer_paths, settings.responder_paths)
    found = read_flavors(sources, asyncio.run(fetch(place for _, place in sources)))
    return sorted((f for f in found if kind in (None, f.kind)), key=lambda f: (f.kind, f.id))


def _environments() -> Path | None:
    import os

    named = os.environ.get("CORTEX_ENVIRONMENTS")
    return Path(named) if named else None


def analyzers(_given: argparse.Namespace) -> int:
    """A table of all definitions: ready, or what is wrong with them."""
    python = _settings().analyzers_python
    if python and not Path(python).exists():
        print(f"CORTEX_ANALYZERS_PYTHON is not there: {python}\n")
    _table([(flavor, flavor.problem) for flavor in _flavors()])
    return 0


def _table(flavors: list[tuple[Flavor, str | None]]) -> None:
    width = max((len(flavor.id) for flavor, _ in flavors), default=0)
    for flavor, problem in flavors:
        print(f"{flavor.kind:<9}  {flavor.id:<{width}}  {problem or 'ready'}")
    print(f"\n{sum(problem is None for _, problem in flavors)} of {len(flavors)} definitions are ready")


def install(given: argparse.Namespace) -> int:
    """Makes one Python environment per distinct set of requirements, then says which flavors are ready and which lack what."""
    import shutil

    from cortex import installing

    root, uv = _environments(), installing.uv_program()
    if root is None:
        raise UsageError("CORTEX_ENVIRONMENTS is not set: name the folder for the environments, for the runner too")
    if uv is None:
        raise UsageError("uv is not there: pip install uv")
    known = [flavor for flavor in _flavors() if flavor.command is not None]
    wanted = {Path(folder).name for folder in given.folders}
    chosen = [flavor for flavor in known if given.all or _folder(flavor).name in wanted]
    if unknown := wanted - {_folder(flavor).name for flavor in chosen}:
        raise UsageError(f"no flavor has its command in {', '.join(sorted(unknown))}")
    if not chosen:
        raise UsageError("name the folders of the analyzers, or --all")
    plan = installing.plan(root, dict.fromkeys(_folder(flavor) for flavor in chosen))
    python = shutil.which(given.python) or given.python
    installing.install(plan, uv=uv, python=python, wheels=given.wheels, say=print)
    problems = {folder: environment.problem for environment in plan for folder in environment.folders}
    print()
    _table([(flavor, flavor.problem or problems[_folder(flavor)]) for flavor in chosen])
    return 1 if any(problems.values()) else 0


def _folder(flavor: Flavor) -> Path:
    assert flavor.command is not None
    return Path(flavor.command).parent


def try_out(given: argparse.Namespace) -> int:
    """Runs one flavor by hand, under the runner's settings and sandbox, and explains the result."""
    import json
    import os

    from cortex import byhand
    from cortex.runner.settings import SettingsError

    found = next((f for f in _flavors() if given.flavor in (f.id, f.name)), None)
    if found is None:
        raise UsageError(f"there is no flavor {given.flavor}: `cortex analyzers` lists them")
    try:
        config = json.loads(given.config) if given.config else {}
    except ValueError as error:
        raise UsageError(f"--config is not JSON: {error}") from None
    if missing := byhand.missing_items(found, config):
        print(f"Without a value, though required: {'; '.join(missing)}. Give them by --config.\n")
    request = byhand.Request(given.type, given.data, given.file, config)
    try:
        text, good = asyncio.run(byhand.run(found, request, dict(os.environ)))
    except SettingsError as error:
        raise UsageError(str(error)) from None
    print(text)
    return 0 if good else 1


def doctor(_given: argparse.Namespace) -> int:
    """Shows which layers of the sandbox this machine gives to analyzers, and what to do about the others."""
    import os

    from cortex.runner.doctor import examine
    from cortex.runner.settings import RunnerSettings, SettingsError

    unneeded = {
        name: os.environ.get(name) or "none" for name in ("CORTEX_DATABASE_SYSTEM_URL", "CORTEX_BLOBS", "CORTEX_SECRET_KEYS")
    }
    try:
        settings = RunnerSettings.from_environment({**os.environ, **unneeded})
    except SettingsError as error:
        raise UsageError(str(error)) from None
    required = settings.sandbox == "require"
    text, good = asyncio.run(examine(settings.analyzers_python, settings.warm_modules, required=required))
    print(text)
    return 0 if good else 1


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
    listing = command(analyzers, "analyzers").add_subparsers()
    installing = listing.add_parser("install", help=install.__doc__)
    installing.set_defaults(function=install)
    installing.add_argument("folders", nargs="*", help="folders of analyzers or responders, by name")
    installing.add_argument("--all", action="store_true", help="of all definitions")
    installing.add_argument(
        "--wheels", type=Path, metavar="FOLDER", help="take packages from this folder, and nothing from the network"
    )
    installing.add_argument("--python", default=sys.executable, help="the interpreter that environments are made of")
    trying = listing.add_parser("run", help=try_out.__doc__)
    trying.set_defaults(function=try_out)
    trying.add_argument("flavor", help="its id or name")
    trying.add_argument("--type", required=True, help="the data type")
    value = trying.add_mutually_exclusive_group(required=True)
    value.add_argument("--data", help="the value")
    value.add_argument("--file", type=Path, help="the file")
    trying.add_argument("--config", help="the worker's configuration, as JSON")
    command(doctor, "doctor")
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
