"""The parts of one running hive: made once at start, handed to routes and consumers."""

from __future__ import annotations

from dataclasses import dataclass

from hive.catalogue import Catalogues
from hive.identity.authentication import Authenticator
from hive.settings import Settings
from waggle.blobs import BlobStore, open_store
from waggle.db import Database
from waggle.db.notify import Listener, Notifier
from waggle.security.outbound import OutboundGuard
from waggle.security.passwords import Passwords
from waggle.security.secretbox import SecretBox

AUDIT_CHANNEL = "hive_audit"
OUTBOX_CHANNEL = "outbox"


@dataclass(slots=True)
class Hive:
    settings: Settings
    database: Database
    blobs: BlobStore
    passwords: Passwords
    authenticator: Authenticator
    secrets: SecretBox
    outbound: OutboundGuard
    catalogues: Catalogues
    notifier: Notifier
    listener: Listener

    def wake(self) -> None:
        """After a commit: the relay looks at the outbox, live pages at the audit."""
        self.notifier.wake(OUTBOX_CHANNEL)
        self.notifier.wake(AUDIT_CHANNEL)


def build(settings: Settings) -> Hive:
    """Nothing connects yet: the database's pool opens with its first use."""
    app_url = settings.database_app_url.get_secret_value()
    system_url = settings.database_system_url.get_secret_value()
    database = Database(app_url, system_url, application_name="hive", pool_size=settings.database_pool)
    passwords, listener = Passwords(), Listener(app_url)
    return Hive(
        settings=settings,
        database=database,
        blobs=open_store(settings.blobs),
        passwords=passwords,
        authenticator=Authenticator(database, passwords, listener, session_hours=settings.session_hours),
        secrets=SecretBox([key.get_secret_value() for key in settings.secret_keys]),
        outbound=OutboundGuard(settings.outbound_allow),
        catalogues=Catalogues(database),
        notifier=Notifier(database),
        listener=listener,
    )
