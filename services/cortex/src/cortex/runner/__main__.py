"""`python -m cortex.runner`."""

from __future__ import annotations

import asyncio
import sys

from cortex.runner import log
from cortex.runner.settings import RunnerSettings, SettingsError


def main() -> int:
    log.configure()
    try:
        settings = RunnerSettings.from_environment()
        asyncio.run(_run(settings))
    except (SettingsError, ValueError) as error:
        print(f"cortex run: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


async def _run(settings: RunnerSettings) -> None:
    from cortex.runner.loop import run

    await run(settings)


if __name__ == "__main__":
    sys.exit(main())
