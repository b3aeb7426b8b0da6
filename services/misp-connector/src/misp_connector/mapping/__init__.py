"""MISP event → alert: pure functions, without network, database or clock."""
