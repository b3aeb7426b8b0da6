"""The small program that runs jobs: `cortex run`.

It imports neither FastAPI nor SQLAlchemy nor pydantic (a test holds it to that): it stays resident beside the analyzers it
starts, and what it can do is what its PostgreSQL role may do.
"""
