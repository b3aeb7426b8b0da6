"""What became of each observable, from what became of its attributes."""

from __future__ import annotations

from collections.abc import Iterator

from misp_connector.exporting.run import Done, Run
from misp_connector.exporting.wanted import held_back
from waggle.contracts.messages.misp import Export, ExportedCase, ExportResult

_WORST_FIRST: tuple[Export, ...] = ("rejected", "created", "updated", "unchanged", "skipped")


def results_of(case: ExportedCase, run: Run, done: Done) -> list[ExportResult]:
    """One entry per observable, held and skipped ones included; then those that left the case since the last export."""
    found: dict[str, tuple[Export, str | None]] = {}
    for one in run.wanted.members():
        became = done.became[one.uuid]
        for observable in one.observables:
            entry = (became.result, became.reason)
            kept = found.get(observable, entry)
            found[observable] = min(kept, entry, key=lambda each: _WORST_FIRST.index(each[0]))
    found |= {observable: ("skipped", reason) for observable, reason in run.wanted.skipped.items()}
    found |= {observable: ("held", reason) for observable, reason in held_back(case).items()}
    results = [ExportResult(observable_id=name, result=result, reason=reason) for name, (result, reason) in found.items()]
    return results + list(_withdrawn(run, done, set(found)))


def _withdrawn(run: Run, done: Done, told: set[str]) -> Iterator[ExportResult]:
    for uuid, reason in done.withdrawn.items():
        for observable in run.known[uuid].observables:
            if observable not in told:
                told.add(observable)
                yield ExportResult(observable_id=observable, result="updated", reason=reason)
