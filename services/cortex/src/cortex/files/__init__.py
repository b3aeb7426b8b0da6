"""Files: downloads by people and clients, and what other services of the platform fetch."""
