"""A case as one file: exported with a password, imported into any hive."""
