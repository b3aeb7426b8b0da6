"""Custom fields: their definitions, and their values on alerts and cases."""
