"""Tags: the free ones an organisation uses, and those of taxonomies, which belong to the platform."""
