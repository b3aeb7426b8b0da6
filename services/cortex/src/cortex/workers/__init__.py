"""Workers: definitions enabled in an organisation, with their configuration."""
