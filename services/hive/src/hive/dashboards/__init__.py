"""Dashboards: what a page draws, kept for its maker or for the organisation."""
