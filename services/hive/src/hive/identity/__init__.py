"""People: organisations, users, memberships, profiles with permissions, keys, passwords, sessions."""
