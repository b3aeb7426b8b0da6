"""The types of observables: what is a value, what is a file, what ignores upper and lower case."""
