"""Comments of analysts on alerts and cases."""
