"""Child program: `python -m waggle.archives.pack SOURCE TARGET NAME`, the password on standard input."""

from __future__ import annotations

import sys

from rusty_zip import ZipWriter


def main(source: str, target: str, name: str) -> None:
    password = sys.stdin.buffer.read()
    with ZipWriter(target, password=password) as archive:
        archive.write_file(source, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
