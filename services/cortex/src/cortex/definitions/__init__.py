"""Definitions: the flavors of analyzers and responders found in the configured folders."""
