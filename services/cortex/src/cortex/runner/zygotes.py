"""The zygotes of a runner: started when a job first needs one, kept while used, replaced when their environment changes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from cortex.runner.commands import LOOK_EVERY
from cortex.runner.egress import Egress
from cortex.runner.zygote import Kind, Zygote

Stamp = tuple[int, ...]


def _stamp(interpreter: str) -> Stamp:
    """Changes when packages are installed into or removed from the interpreter's environment."""
    root = Path(interpreter).parent.parent
    places = [root / "pyvenv.cfg", *root.glob("lib/python3*/site-packages")]
    return tuple(place.stat().st_mtime_ns for place in places if place.exists())


class Zygotes:
    """`egress` answers in the network namespaces of all. `most`: how many are kept when idle; each is worth some 30 MiB."""

    def __init__(self, egress: Egress, *, most: int) -> None:
        self.egress = egress
        self._most = most
        self._known: OrderedDict[Kind, tuple[Zygote, Stamp]] = OrderedDict()
        self._starting: dict[Kind, asyncio.Task[Zygote]] = {}
        self._leaving: dict[asyncio.Task[None], Zygote] = {}
        self._stamps: dict[str, tuple[float, Stamp]] = {}

    def _stamp_of(self, interpreter: str) -> Stamp:
        """Looked up once a second: who has just installed a package is not served by a job of the same moment."""
        now = time.monotonic()
        known = self._stamps.get(interpreter)
        if known is None or known[0] < now:
            known = self._stamps[interpreter] = now + LOOK_EVERY, _stamp(interpreter)
        return known[1]

    async def get(self, kind: Kind) -> Zygote:
        """A zygote that is up. Raises CannotStart."""
        stamp = self._stamp_of(kind.interpreter)
        if found := self._known.get(kind):
            if not found[0].lost and found[1] == stamp:
                self._known.move_to_end(kind)
                return found[0]
            self._discard(kind)
        starting = self._starting.get(kind)
        if starting is None:
            starting = self._starting[kind] = asyncio.create_task(self._start(kind, stamp))
        return await asyncio.shield(starting)

    async def _start(self, kind: Kind, stamp: Stamp) -> Zygote:
        try:
            zygote = await Zygote.start(kind, proxy_port=self.egress.port)
            if zygote.proxy is not None:
                await self.egress.answer_on(zygote.proxy)
            self._known[kind] = (zygote, stamp)
        finally:
            del self._starting[kind]
        idle = [k for k, (z, _) in self._known.items() if not z.busy and k != kind]
        for old in idle[: max(0, len(self._known) - self._most)]:
            self._discard(old)
        return zygote

    def _discard(self, kind: Kind) -> None:
        zygote, _ = self._known.pop(kind)
        task = asyncio.create_task(_close_when_idle(zygote))
        self._leaving[task] = zygote
        task.add_done_callback(self._leaving.pop)

    async def close(self) -> None:
        """Ends all of them, and whatever they still run."""
        tasks: list[asyncio.Task[Any]] = [*self._starting.values(), *self._leaving]
        zygotes = [*(zygote for zygote, _ in self._known.values()), *self._leaving.values()]
        self._known.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for zygote in zygotes:
            await zygote.close()


async def _close_when_idle(zygote: Zygote) -> None:
    """Its jobs end under the environment they began in."""
    await zygote.idle()
    await zygote.close()
