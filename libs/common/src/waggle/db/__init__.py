"""PostgreSQL: two roles per service beside the owner, one transaction per request, and statements that carry their scope."""

from waggle.db.database import Database, Scope

__all__ = ["Database", "Scope"]
