"""Alerts: raised by feeders, triaged, promoted to cases or merged into them."""
