"""docs/settings.md tells every setting there is, and none that is not."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

from launcher.environment import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "deploy" / "local" / "src" / "launcher"
READ = re.compile(r'env(?:iron)?(?:\.get\(|\[)"([A-Z][A-Z_]+)"')
NOT_OURS = {"PATH", "LD_LIBRARY_PATH"}
BY_SERVICE = {f"{s}_{what}" for s in ("HIVE", "CORTEX", "MISP_CONNECTOR") for what in ("PORT", "DATABASE_URL")}
"""Names the code puts together."""


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("settings_doc", ROOT / "tools" / "settings_doc.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_fresh() -> None:
    assert tool().TARGET.read_text() == tool().document(), "run `make settings` and commit docs/settings.md"


def test_every_setting_says_what_it_means() -> None:
    made = tool()
    classes = (made.BusSettings, made.HiveSettings, made.CortexSettings, made.MispConnectorSettings)
    rows = [*made.of_runner(), *(row for one in classes for row in made.of_class(one))]
    assert len(rows) > 60
    assert [row.names for row in rows if not row.names or not row.meaning] == []


def test_the_launchers_list_is_what_its_code_reads() -> None:
    read = {name for file in LAUNCHER.rglob("*.py") for name in READ.findall(file.read_text())} - NOT_OURS
    # what the launcher sets for a service is in the service's own table
    set_for_services = {"BUS_DATABASE_URL", "HIVE_MISP_CONNECTOR_URL"}
    assert read - set_for_services | BY_SERVICE == {variable.name for variable in ENVIRONMENT}
