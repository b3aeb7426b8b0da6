"""A pytest plugin of thehive4py's own suite: the server is the one at HIVE_URL instead of a container (contract hive-v1 §6.5).

It is loaded before the suite's conftest, which then takes this function for its own.
"""

from __future__ import annotations

import os
from typing import Any

import tests.utils as suite


def _running_hive(test_config: Any) -> str:
    url = os.environ["HIVE_URL"]
    assert suite._is_container_responsive(url), f"nothing answers at {url}"
    suite.init_hive_instance(url=url, test_config=test_config)
    return url


suite.spawn_hive_container = _running_hive
