"""Sharing cases, tasks and observables between organisations. Shared data is never copied: rows say who else sees it."""
