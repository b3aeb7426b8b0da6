"""Every message the services exchange, by type. A type not listed here does not exist on the bus."""

from __future__ import annotations

from typing import Final

from waggle.contracts.messages.alerts import (
    AlertCreated,
    AlertDeleted,
    AlertImported,
    AlertRaised,
    AlertSourceGone,
    AlertUpdated,
)
from waggle.contracts.messages.analysis import (
    AnalysisCancelled,
    AnalysisCompleted,
    AnalysisRequested,
    AnalysisStarted,
    WorkerCatalogChanged,
)
from waggle.contracts.messages.base import Message
from waggle.contracts.messages.cases import (
    CaseClosed,
    CaseCreated,
    CaseDeleted,
    CaseIocsChanged,
    CaseMerged,
    CaseUpdated,
)
from waggle.contracts.messages.misp import (
    CaseExported,
    CaseExportFailed,
    CaseExportRequested,
    MispInstanceChanged,
    MispPollRequested,
    MispReceiverUnknown,
    SightingReported,
)

MESSAGES: Final[dict[str, type[Message]]] = {
    message.type: message
    for message in (
        AlertRaised,
        AlertSourceGone,
        AlertCreated,
        AlertUpdated,
        AlertImported,
        AlertDeleted,
        CaseCreated,
        CaseUpdated,
        CaseClosed,
        CaseMerged,
        CaseDeleted,
        CaseIocsChanged,
        AnalysisRequested,
        AnalysisCancelled,
        AnalysisStarted,
        AnalysisCompleted,
        WorkerCatalogChanged,
        CaseExportRequested,
        CaseExported,
        CaseExportFailed,
        SightingReported,
        MispPollRequested,
        MispReceiverUnknown,
        MispReceiverUnknown,
        MispInstanceChanged,
    )
}

__all__ = [
    "MESSAGES",
    "AlertCreated",
    "AlertDeleted",
    "AlertImported",
    "AlertRaised",
    "AlertSourceGone",
    "AlertUpdated",
    "AnalysisCancelled",
    "AnalysisCompleted",
    "AnalysisRequested",
    "AnalysisStarted",
    "CaseClosed",
    "CaseCreated",
    "CaseDeleted",
    "CaseExportFailed",
    "CaseExportRequested",
    "CaseExported",
    "CaseIocsChanged",
    "CaseMerged",
    "CaseUpdated",
    "Message",
    "MispInstanceChanged",
    "MispPollRequested",
    "MispReceiverUnknown",
    "SightingReported",
    "WorkerCatalogChanged",
]
