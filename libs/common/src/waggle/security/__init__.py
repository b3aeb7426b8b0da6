"""Passwords, keys, sealed secrets and the guard on outbound connections. Import the module you need: some are heavy."""
