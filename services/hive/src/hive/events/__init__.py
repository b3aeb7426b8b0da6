"""The broker: what hive tells, and what it does about what its neighbours tell."""
