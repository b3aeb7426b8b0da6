"""Blocking calls in daemon threads: a server that does not answer must not keep the service from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a blocking call. When the awaiting task is cancelled, the call ends by itself and is forgotten.

    The pool of `asyncio.to_thread` would be waited for at the end of the process, for as long as a read time-out.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T itself may be None

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = call(*args, **kwargs)
        except BaseException as error:  # handed to the task that waits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name="misp", daemon=True).start()
    return await future
