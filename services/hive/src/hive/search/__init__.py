"""Lists and searches of both APIs, compiled to one statement per page."""
