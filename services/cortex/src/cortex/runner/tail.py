"""What a program prints: the last of it is kept, for the operator who asks why it failed."""

from __future__ import annotations

import asyncio
import os

TAIL_BYTES = 32 * 1024


class Tail:
    """A pipe that keeps the last TAIL_BYTES of what a process prints.

    It is no pipe of asyncio's: those make the wait for a process last until the last holder of the pipe is gone, and a program
    that an analyzer left in another session may hold it for ever.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._drain)

    def _drain(self) -> None:
        try:
            chunk = os.read(self._read_end, 65536)
        except BlockingIOError:
            return
        if not chunk:
            self._loop.remove_reader(self._read_end)
        self._kept += chunk
        if len(self._kept) > TAIL_BYTES:
            del self._kept[:-TAIL_BYTES]

    def text(self) -> str:
        """To be called when the process has ended: whatever is still in the pipe belongs to it."""
        for _ in range(64):  # the pipe's whole capacity; a survivor may go on writing
            before = bytes(self._kept)
            self._drain()
            if bytes(self._kept) == before:
                break
        return self._kept.decode("utf-8", "replace")

    def close(self) -> None:
        self._loop.remove_reader(self._read_end)
        for end in (self._read_end, self.write_end):
            os.close(end)
