"""People: organisations, users, roles, passwords, keys, sessions."""
