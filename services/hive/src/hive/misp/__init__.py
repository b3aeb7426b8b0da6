"""Exchange with MISP, hive's side: what the connector tells, exports that analysts ask for, polls on demand."""
