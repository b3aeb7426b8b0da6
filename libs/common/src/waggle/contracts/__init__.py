"""Words and messages the services share. Nothing here belongs to one product."""
