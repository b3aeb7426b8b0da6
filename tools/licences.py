"""Fails when a package of the services' lock is under the GPL or AGPL: those may run beside a service, never inside it."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements" / "services.txt"
STRONG_COPYLEFT = re.compile(r"(?<![A-Za-z])(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


def licence_of(package: str) -> str:
    """The licence a package declares: its SPDX expression, else its classifiers, else its free text's first line."""
    declared = metadata(package)
    expression = declared.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [c.rsplit(" :: ", 1)[-1] for c in declared.get_all("Classifier") or [] if c.startswith("License ::")]
    free_text = str(declared.get("License") or "").strip().split("\n")[0]
    return "; ".join(c for c in classifiers if c != "OSI Approved") or free_text


def main() -> int:
    faults = []
    names = re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE)
    for name in names:
        try:
            licence = licence_of(name)
        except PackageNotFoundError:
            continue  # for another platform or Python version
        if not licence:
            faults.append(f"{name}: declares no licence")
        elif STRONG_COPYLEFT.search(licence):
            faults.append(f"{name}: {licence}")
    for fault in faults:
        print(f"licences: {fault}")
    if not faults:
        print(f"licences: {len(names)} packages of the services' lock, none under GPL or AGPL")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
