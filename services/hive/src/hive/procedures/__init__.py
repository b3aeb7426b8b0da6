"""Procedures: which ATT&CK techniques an adversary used, on alerts and cases; and the catalogue of techniques."""
