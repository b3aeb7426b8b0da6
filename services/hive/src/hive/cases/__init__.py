"""Cases: made by hand or from alerts, worked on, closed."""
