"""The bridge to a misp-modules server: its expansion modules as analyzers (contracts/misp.md §6). Off unless its URL is set."""
