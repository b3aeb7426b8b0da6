"""Writes docs/settings.md from the services' settings classes and the launcher's list: `make settings`."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from cortex.runner.settings import RunnerSettings
from cortex.settings import Settings as CortexSettings
from hive.settings import Settings as HiveSettings
from launcher.environment import ENVIRONMENT
from misp_connector.settings import Settings as MispConnectorSettings
from waggle.messaging import BusSettings

TARGET = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{3,}")
IN_WORDS = {"os.cpu_count() or 1": "number of processors", "tempfile.gettempdir()": "/tmp"}
HEAD = """\
# Settings

Every setting is an environment variable, read once at start. On one machine the launcher sets what the services need (log-ins,
keys, addresses, folders) and passes on whatever else begins with `HIVE_`, `CORTEX_` or `MISP_CONNECTOR_`. In a deployment each
service gets its own: `docs/operating.md`. Lists are separated by commas unless JSON is asked for. This page is made from the code
by `make settings`.
"""


class Row(NamedTuple):
    names: list[str]
    default: str
    meaning: str


def of_class(settings: type[BaseSettings]) -> Iterator[Row]:
    """The rows of a settings class, in its order."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        yield Row(_names(prefix, name, field), _default(field), field.description or "")


def _names(prefix: str, name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [str(alias)] if alias else [f"{prefix}{name}".upper()]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ([], {}, ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def of_runner() -> Iterator[Row]:
    """The runner's settings, which are plain so that it stays small: from the fields' docstrings and `from_environment`."""
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(RunnerSettings))).body
    assert isinstance(made, ast.ClassDef)
    meanings = {
        field.target.id: text.value.value
        for field, text in zip(made.body, made.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    (call,) = [n for n in ast.walk(made) if isinstance(n, ast.Call) and ast.unparse(n.func) == "cls"]
    for keyword in call.keywords:
        found = [n.value for n in ast.walk(keyword.value) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        names = [text for text in found if VARIABLE.fullmatch(text)]
        yield Row(names, _runner_default(keyword.value), str(meanings[str(keyword.arg)]))


def _runner_default(value: ast.expr) -> str:
    """`number(NAME, default)`, `listed(NAME, default)`, `one_of(NAME, default, …)`, `required(NAME)` or `… or default`."""
    calls = {ast.unparse(node.func): node for node in ast.walk(value) if isinstance(node, ast.Call)}
    if "required" in calls:
        return "required"
    for name in ("listed", "one_of"):
        if name in calls:
            default = str(ast.literal_eval(calls[name].args[1]))
            return f"`{default}`" if default else ""
    if "number" in calls:
        text = ast.unparse(calls["number"].args[1])
    else:
        text = next((ast.unparse(n.values[-1]) for n in ast.walk(value) if isinstance(n, ast.BoolOp)), "false")
    text = IN_WORDS.get(text, text)
    return "" if text in ("", "None") else f"`{text}`"


def table(rows: Iterator[Row]) -> str:
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for row in rows:
        names = ", ".join(f"`{name}`" for name in row.names)
        cells = (names, row.default, row.meaning.replace("\n", " ").replace("|", "\\|"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def document() -> str:
    launcher = (Row([v.name], f"`{v.default}`" if v.default else "", v.meaning) for v in ENVIRONMENT)
    parts = [
        HEAD,
        "## `make run`, `make demo`, `make test`\n",
        table(launcher),
        "\n## The bus, for every service\n",
        table(of_class(BusSettings)),
        "\n## hive\n",
        table(of_class(HiveSettings)),
        "\n## cortex\n",
        table(of_class(CortexSettings)),
        "\n## cortex' runner\n",
        table(of_runner()),
        "\n## misp-connector\n",
        table(of_class(MispConnectorSettings)),
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    TARGET.write_text(document())
    print("docs/settings.md")


if __name__ == "__main__":
    main()
