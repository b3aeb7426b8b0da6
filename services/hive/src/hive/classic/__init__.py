"""The v0 API of TheHive 3 and 4: translates classic requests to the same services; no rules of its own."""
