"""misp-connector serve | work | migrate | seed | queues | openapi"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from misp_connector.app import make_app
from misp_connector.instances.file import BadSettingsFile, read_file
from misp_connector.instances.service import apply_settings_file
from misp_connector.queues import keeper
from misp_connector.runtime import configured_bus, named_bus, open_runtime, running
from misp_connector.seed import Seed, apply_seed
from misp_connector.settings import Settings
from waggle.db import Scope
from waggle.db.migrate import Roles, upgrade
from waggle.errors import WaggleError
from waggle.messaging import command
from waggle.observability import configure_logs
from waggle.queue_arguments import add_queue_arguments
from waggle.waiting import wait_at_most

PACKAGED = Path(__file__).resolve().parent / "migrations"
MIGRATIONS = PACKAGED if PACKAGED.exists() else Path(__file__).resolve().parents[2] / "migrations"
"""Inside an installed package, or beside the sources."""

DRAIN_SECONDS = 10


def main() -> None:
    arguments = _parser().parse_args()
    configure_logs("misp-connector", arguments.log_level)
    if arguments.command == "openapi":
        print(json.dumps(make_app(Settings.model_construct(metrics_token=None), bus=None).openapi(), indent=2))
        return
    try:
        settings = Settings()  # pydantic reads the environment
        asyncio.run(_command(arguments, settings))
    except ValidationError as error:
        lines = (f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        sys.exit("misp-connector: the settings or the input cannot be used:\n" + "\n".join(lines))
    except (BadSettingsFile, WaggleError) as error:
        sys.exit(f"misp-connector: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="misp-connector", description=__doc__)
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="API, poller, consumers and relay on one loop")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=9002)
    serve.add_argument("--trusted-proxies", default="127.0.0.1", help="addresses whose X-Forwarded-For is believed")
    serve.add_argument("--api-only", action="store_true", help="answer requests only; `work` runs elsewhere")
    commands.add_parser("work", help="poller, consumers and relay without the API")
    commands.add_parser("migrate", help="bring the database to the newest version, as its owner")
    commands.add_parser("openapi", help="print the OpenAPI document; needs no settings and no database")
    add_queue_arguments(commands.add_parser("queues", help="what waits, what was given up and why; sends it again"))
    seed = commands.add_parser("seed", help="set the first key and instances; doing it again changes nothing")
    seed.add_argument("--json", required=True, metavar="FILE", help="- for standard input")
    seed.add_argument("--migrate", action="store_true", help="bring the database to this version first, in the same process")
    return parser


async def _command(arguments: argparse.Namespace, settings: Settings) -> None:
    match arguments.command:
        case "migrate":
            await _migrate(settings)
        case "seed":
            if arguments.migrate:
                await _migrate(settings)
            await _seed(settings, arguments.json)
        case "serve":
            await _apply_file(settings)
            await _serve(arguments, settings)
        case "work":
            await _apply_file(settings)
            await _work(settings)
        case "queues":
            print(await _queues(arguments, settings))


async def _migrate(settings: Settings) -> None:
    if settings.database_url is None:
        raise BadSettingsFile("MISP_CONNECTOR_DATABASE_URL is not set: migrating needs the owner's login")
    logins = Roles(settings.database_app_url.get_secret_value(), settings.database_system_url.get_secret_value())
    await upgrade(settings.database_url.get_secret_value(), MIGRATIONS, logins)


async def _seed(settings: Settings, file: str) -> None:
    text = await asyncio.to_thread(sys.stdin.read if file == "-" else Path(file).read_text)
    seed = Seed.model_validate_json(text)
    async with running(settings, bus=None) as runtime:
        await apply_seed(runtime, seed)


async def _queues(arguments: argparse.Namespace, settings: Settings) -> str:
    runtime = open_runtime(settings)
    runtime.bus = configured_bus()
    try:
        return await command.run(arguments, keeper(runtime), runtime.bus)
    finally:
        await runtime.database.close()


async def _apply_file(settings: Settings) -> None:
    """The settings file is read at every start: what it says is what runs."""
    if settings.instances is None:
        return
    entries = await asyncio.to_thread(read_file, settings.instances)
    async with running(settings, bus=None) as runtime, runtime.database.begin(Scope()) as session:
        await apply_settings_file(session, entries=entries, secrets=runtime.secrets)


class _Server(uvicorn.Server):
    """Ends with status 0 when it is asked to end: uvicorn's own handler raises the signal once more."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    works = not arguments.api_only
    app = make_app(settings, bus=configured_bus if works else named_bus, works=works)
    server = _Server(
        uvicorn.Config(
            app,
            host=arguments.host,
            port=arguments.port,
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=arguments.trusted_proxies,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    await server.serve()
    if not server.started:
        sys.exit(f"misp-connector: could not start on {arguments.host}:{arguments.port}")


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings, bus=configured_bus()) as runtime:
        while not stop.is_set():
            await wait_at_most(stop, 5)
            await runtime.check_work()  # a task that never ends has ended: better die and be started again
