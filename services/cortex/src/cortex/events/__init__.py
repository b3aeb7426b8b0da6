"""Cortex on the bus: requests for analyses in, their results and the catalog of workers out."""
