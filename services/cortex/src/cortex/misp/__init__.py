"""MISP asks Cortex by two calls of its own, `GET /modules` and `POST /query`: contracts/cortex.md §7."""
