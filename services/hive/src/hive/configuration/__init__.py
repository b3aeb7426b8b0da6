"""What organisations and people set for themselves, by path."""
