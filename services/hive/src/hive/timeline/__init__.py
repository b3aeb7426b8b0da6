"""The timeline of a case: what happened when, from everything that carries a date, and events of the analysts' own."""
