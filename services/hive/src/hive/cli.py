"""The command `hive`: serve, work, migrate, seed, user, queues."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from pydantic import SecretStr

import hive as package
from hive.platform import Hive, build
from hive.settings import Settings
from waggle.db import Database
from waggle.db.migrate import Roles, upgrade_now
from waggle.observability import configure_logs
from waggle.queue_arguments import add_queue_arguments

PACKAGED = Path(package.__file__).parent / "migrations"
MIGRATIONS = PACKAGED if PACKAGED.exists() else Path(package.__file__).parents[2] / "migrations"


def settings() -> Settings:
    return Settings()


def owner_url(given: Settings) -> str:
    if given.database_url is None:
        raise SystemExit("HIVE_DATABASE_URL is not set: this command needs the owner of the tables")
    return given.database_url.get_secret_value()


def migrate(_: argparse.Namespace) -> None:
    given = settings()
    roles = Roles(given.database_app_url.get_secret_value(), given.database_system_url.get_secret_value())
    upgrade_now(owner_url(given), MIGRATIONS, roles)


def serve(arguments: argparse.Namespace) -> None:
    import uvicorn

    from hive.app import make_app
    from waggle.messaging import BusSettings, make_bus

    works = not arguments.api_only
    bus_settings = BusSettings() if works else BusSettings.given()
    app = make_app(settings(), make_bus(bus_settings) if bus_settings else None, works=works)
    uvicorn.run(
        app, host=arguments.host, port=arguments.port, loop="uvloop", http="httptools", access_log=False, log_config=None,
        timeout_graceful_shutdown=3, forwarded_allow_ips=arguments.trusted_proxies, server_header=False,
    )  # fmt: skip


def work(_: argparse.Namespace) -> None:
    from hive.work import working
    from waggle.messaging import BusSettings, make_bus

    async def run() -> None:
        platform = build(settings())
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with working(platform, make_bus(BusSettings())):
            await stop.wait()
        await platform.database.close()

    asyncio.run(run())


def _as_owner(given: Settings) -> Hive:
    """The platform with the owner's login in place of the system one: seeds write across organisations."""
    return build(given.model_copy(update={"database_system_url": SecretStr(owner_url(given))}))


def seed(arguments: argparse.Namespace) -> None:
    from hive.seed import read
    from hive.seed import seed as plant
    from hive.tags.shipped import load

    if arguments.migrate:
        migrate(arguments)
    raw = sys.stdin.buffer.read() if arguments.json == "-" else Path(arguments.json).read_bytes()
    wanted = read(raw)

    async def run() -> None:
        platform = _as_owner(settings())
        async with platform.database.system() as session:
            await plant(session, wanted, passwords=platform.passwords, secrets=platform.secrets)
            if wanted.taxonomies:
                await load(session)
        await platform.database.close()

    asyncio.run(run())


def user(arguments: argparse.Namespace) -> None:
    from hive import people

    async def run() -> str:
        platform = _as_owner(settings())
        database: Database = platform.database
        try:
            return await people.administer(platform, arguments)
        finally:
            await database.close()

    print(asyncio.run(run()))


def queues(arguments: argparse.Namespace) -> None:
    from hive.queues import keeper
    from waggle.errors import WaggleError
    from waggle.messaging import BusSettings, command, make_bus

    async def run() -> str:
        platform, bus = build(settings()), make_bus(BusSettings())
        try:
            return await command.run(arguments, keeper(platform, bus), bus)
        finally:
            await platform.database.close()

    try:
        print(asyncio.run(run()))
    except WaggleError as error:
        raise SystemExit(f"hive: {error.message}") from None


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="hive", description="The case service of Waggle.")
    commands = top.add_subparsers(required=True)
    serving = commands.add_parser("serve", help="API, relay and consumers in one process")
    serving.add_argument("--host", default="127.0.0.1")
    serving.add_argument("--port", type=int, default=9000)
    serving.add_argument("--api-only", action="store_true", help="relay and consumers run elsewhere (`hive work`)")
    serving.add_argument("--trusted-proxies", default="127.0.0.1", help="addresses whose X-Forwarded-For is believed")
    serving.set_defaults(run=serve)
    commands.add_parser("work", help="relay and consumers without the API").set_defaults(run=work)
    commands.add_parser("migrate", help="bring the database to this version").set_defaults(run=migrate)
    seeding = commands.add_parser("seed", help="first content, from JSON")
    seeding.add_argument("--json", required=True, help="a file, or - for standard input")
    seeding.add_argument("--migrate", action="store_true", help="bring the database to this version first, in the same process")
    seeding.set_defaults(run=seed)
    users = commands.add_parser("user", help="add, list, password")
    users.add_argument("action", choices=("add", "list", "password"))
    users.add_argument("login", nargs="?")
    users.add_argument("--organisation")
    users.add_argument("--profile", default="analyst")
    users.add_argument("--name")
    users.set_defaults(run=user)
    looking = commands.add_parser("queues", help="what waits in queues and outbox, what was given up; sends it again")
    add_queue_arguments(looking)
    looking.set_defaults(run=queues)
    return top


def main() -> None:
    configure_logs("hive")
    arguments = parser().parse_args()
    arguments.run(arguments)
