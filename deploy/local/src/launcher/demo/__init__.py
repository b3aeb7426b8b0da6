"""The story `make demo` plays, through public interfaces only."""
