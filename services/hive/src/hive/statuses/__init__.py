"""The statuses of alerts and cases: each stands in a stage, and the rules go by the stage."""
